"""A folder of notebooks is audited by Snakemake, side by side; what has not changed is not run again; a table shows all."""

import csv

import pytest
from audit.corpus import Case, write_case
from bs4 import BeautifulSoup

from gradlab.__main__ import main
from gradlab.audit.folder import find_notebooks, plan_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks") / "papers"
    (folder / "deep").mkdir(parents=True)
    write_case(Case([("print('a', 1)", "a 1\n", [])]), folder / "one two.ipynb")
    write_case(Case([("print('a', 1)", "a 2\n", [])]), folder / "deep/other.ipynb")
    (folder / "damaged.ipynb").write_text("{}")
    return folder


def read_table(output):
    with (output / "audits.csv").open(newline="") as file:
        return {row["notebook"]: row for row in csv.DictReader(file)}


def test_all_are_audited_and_what_is_done_is_not_done_again(folder, capsys):
    output = folder.with_name("papers-audit")
    assert main(["audit", str(folder)]) == 2
    assert "Of 3 notebooks, 1 came out the same in every number, and 1 could not be audited." in capsys.readouterr().out
    rows = read_table(output)
    assert {name: (row["audited"], row["same"], row["differs"]) for name, row in rows.items()} == {
        "damaged": ("no", "0", "0"),
        "deep/other": ("yes", "0", "1"),
        "one two": ("yes", "1", "0"),
    }
    page = BeautifulSoup((output / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert [link["href"] for link in page.select("tbody a")] == ["deep/other/report.html", "one%20two/report.html"]

    written = (output / "one two/audit.json").stat().st_mtime_ns
    (folder / "damaged.ipynb").unlink()
    write_case(Case([("print('a', 1)", "a 1\n", [])]), folder / "deep/other.ipynb")
    assert main(["audit", str(folder)]) == 0
    assert (output / "one two/audit.json").stat().st_mtime_ns == written
    assert read_table(output)["deep/other"]["same"] == "1"


def test_notebooks_are_found_but_for_copies_and_results(tmp_path):
    for name in ("a.ipynb", "b/c.ipynb", ".ipynb_checkpoints/a.ipynb", "a-audit/runs/first.ipynb", "out/x/first.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [*find_notebooks(tmp_path, tmp_path / "out")] == ["a", "b/c"]


def test_a_folder_without_notebooks_is_refused(tmp_path, capsys):
    assert main(["audit", str(tmp_path)]) == 2
    assert "there is no notebook below" in capsys.readouterr().err


def test_only_what_can_be_judged_is_run_twice(tmp_path):
    silent = write_case(Case([("a = 1", "", [])]), tmp_path / "silent.ipynb")
    other = write_case(
        Case([("1", "1", [])], metadata={"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}),
        tmp_path / "r.ipynb",
    )
    assert plan_runs(silent) == ["first"]
    assert plan_runs(other) == []
    assert plan_runs(tmp_path / "none.ipynb") == []
