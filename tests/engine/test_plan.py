"""What a change makes run again: the recipes of a plan, and the manifests of what has run, without Snakemake."""

import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from conftest import make_notebook

from gradlab.engine.cell import run_cell
from gradlab.engine.manifest import find_outdated
from gradlab.engine.plan import add_recipes, describe_report, is_rendered
from gradlab.files import save_json

DECLARED = "value: int = 1\noutput: str = 'out'"
NAMES = ("s/published/first", "s/published/second", "s/published/third", "s/published/other")
FIRST, SECOND, THIRD, OTHER = NAMES
WRITE = "for name in ('metrics.json', 'curves.csv', 'plot.svg'):\n    open(f'{output}/{name}', 'a').close()"


def make_plan(*, preparing="a", **parameters):
    """A plan in which the second cell reads the first one, and the third the second; `other` reads nothing."""
    reads = {FIRST: [], SECOND: [FIRST], THIRD: [SECOND], OTHER: []}
    plan = {
        "cells": {name: {"value": parameters.get(name.split("/")[2], 1)} for name in NAMES},
        "recipes": {
            name: {
                "notebook": f"{'other' if name == OTHER else 'chain'}.ipynb",
                "data": ["digits"] if name == OTHER else [],
                "reads": reads[name],
                "inputs": [f"results/{read}/metrics.json" for read in reads[name]],
                "figures": ["plot.svg"],
            }
            for name in NAMES
        },
    }
    add_recipes(plan, {"digits": preparing})
    return plan


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which a study of four cells has run."""
    folder = tmp_path_factory.mktemp("study")
    make_notebook(folder / "chain.ipynb", WRITE, parameters=DECLARED)
    make_notebook(folder / "other.ipynb", "from gradlab.lab import seeds", WRITE, parameters=DECLARED)
    with chdir(folder):
        plan = make_plan()
        for name in NAMES:
            recipe = plan["recipes"][name]
            run_cell(
                name,
                Path(recipe["notebook"]),
                plan["cells"][name],
                output=Path("results", name),
                log=Path("results/logs", f"{name}.ipynb"),
                inputs=[Path(path) for path in (*recipe["sources"], *recipe["inputs"])],
                figures=recipe["figures"],
                recipe=recipe["digest"],
            )
    return folder


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    """A copy of the study as the working directory; a function that says what its plan would run again."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lambda **changes: find_outdated(make_plan(**changes), Path("results"))


def test_what_was_run_as_planned_is_not_run_again(study):
    assert study() == {}


def test_a_parameter_runs_its_cell_and_all_that_depend_on_it(study):
    assert study(second=2) == {
        SECOND: "ran with value = 1, planned is 2",
        THIRD: "ran with other code or data, or a cell that it reads has changed",
    }


def test_a_change_of_a_cell_that_has_no_results_left_runs_what_depends_on_it(study, tmp_path):
    """Its run failed, say, and took its results with it: those that rest on the earlier ones are not to be believed."""
    (tmp_path / f"results/{FIRST}/manifest.json").unlink()
    assert set(study(first=2)) == {FIRST, SECOND, THIRD}


def test_a_notebook_runs_its_cells(study, tmp_path, write_notebook):
    write_notebook(WRITE, "1 + 1", parameters=DECLARED, name="chain.ipynb")
    assert set(study()) == {FIRST, SECOND, THIRD}
    assert study()[FIRST] == "chain.ipynb has changed since"


def test_another_preparation_of_the_data_runs_what_reads_them(study):
    assert set(study(preparing="b")) == {OTHER}


def test_another_version_of_a_package_runs_what_imports_it(study, tmp_path, monkeypatch):
    (tmp_path / "numpy-9999.dist-info").mkdir()
    (tmp_path / "numpy-9999.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9999\n")
    monkeypatch.syspath_prepend(tmp_path)
    (reason,) = study().values()
    assert reason.startswith("ran with numpy ") and reason.endswith(", installed is 9999")


@pytest.mark.parametrize(
    "file, reason",
    [
        ("manifest.json", ""),
        ("plot.svg", "plot.svg is missing"),
        ("metrics.json", "metrics.json is missing"),
        ("notebook.ipynb", "notebook.ipynb is missing"),
    ],
)
def test_a_file_that_was_deleted_runs_its_cell_and_no_other(study, tmp_path, file, reason):
    (tmp_path / f"results/{FIRST}/{file}").unlink()
    assert study() == {FIRST: reason}


@pytest.mark.parametrize("damage", [lambda text: text + " ", lambda text: ""])
def test_a_changed_byte_runs_its_cell(study, tmp_path, damage):
    curves = tmp_path / f"results/{OTHER}/curves.csv"
    curves.write_text(damage(curves.read_text()) or "x")
    assert study() == {OTHER: "curves.csv is not the file that was written"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": {}, "outputs": {}}', b"\xff"])
def test_a_damaged_manifest_runs_its_cell(study, tmp_path, text):
    manifest = tmp_path / f"results/{OTHER}/manifest.json"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    ((name, reason),) = study().items()
    assert name == OTHER and reason.startswith("its manifest cannot be read (")


def test_results_of_another_run_of_the_cell_that_is_read_are_noticed(study, tmp_path):
    """As on another machine, whose last digits differ: the reader has to run again, once the cell itself is right."""
    folder = tmp_path / f"results/{FIRST}"
    (folder / "metrics.json").write_text('{"other": 1}')
    assert study()[SECOND] == f"results/{FIRST}/metrics.json has changed since"


def test_a_report_is_rendered_again_where_anything_that_went_in_differs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root, template = tmp_path / "results", tmp_path / "templates/page.html"
    template.parent.mkdir()
    template.write_text("page")
    (root / "pages").mkdir(parents=True)
    (root / "pages/a.html").write_text("a")
    plan = {"cells": {FIRST: {"value": 1}}, "recipes": {}}
    materials = [template.parent, tmp_path / "not_there.json"]
    assert not is_rendered(plan, root, materials)
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # SHA-256 of "a"
    save_json(root / "manifest.json", describe_report(plan, root, materials) | {"outputs": {"pages/a.html": digest}})
    assert is_rendered(plan, root, materials)
    assert not is_rendered({"cells": {FIRST: {"value": 2}}, "recipes": {}}, root, materials)
    (root / FIRST).mkdir(parents=True)
    (root / FIRST / "manifest.json").write_text("{}")
    assert not is_rendered(plan, root, materials)
    (root / FIRST / "manifest.json").unlink()
    template.write_text("other page")
    assert not is_rendered(plan, root, materials)
    template.write_text("page")
    assert is_rendered(plan, root, materials)
    (root / "pages/a.html").unlink()
    assert not is_rendered(plan, root, materials)


def test_a_recipe_is_the_same_wherever_the_project_lies(study, tmp_path, monkeypatch):
    here = make_plan()["recipes"][THIRD]["digest"]
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("chain.ipynb", "other.ipynb"):
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    monkeypatch.chdir(moved)
    assert make_plan()["recipes"][THIRD]["digest"] == here
