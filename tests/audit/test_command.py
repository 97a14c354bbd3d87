"""The command writes a report, a table and a record, leaves nothing else, and its status says how it went."""

import contextlib
import csv
import json
import os
import signal
import time

import psutil
import pytest
from audit.corpus import SAME, Case, write_case
from bs4 import BeautifulSoup
from jsonschema import Draft202012Validator

from gradlab.__main__ import main
from gradlab.audit.isolation import has_namespaces
from gradlab.audit.judge import CAUSES, NEWER, RUNS, VERDICTS
from gradlab.audit.record import COLUMNS

SHUT_IN = """
import os, socket, subprocess, sys
from pathlib import Path
def fails(do):
    try:
        do()
    except OSError:
        return 1
    return 0
subprocess.Popen(["setsid", "sleep", "600"])
Path("made.txt").write_text("x")
(Path.home() / "made.txt").write_text("x")
Path("/tmp/made-by-an-audit.txt").write_text("x")
print("secrets", sum("SECRET" in name for name in os.environ))
print("data", Path("data/rows.txt").read_text())
print("home", int(Path.home() == Path(FOLDER) or Path.home() == Path("/root")))
print("network", 1 - fails(lambda: socket.create_connection(("192.0.2.1", 80), timeout=2)))
print("outside", 1 - fails(lambda: Path(FOLDER, "outside.txt").write_text("x")))
with socket.socket() as server:
    server.bind(("127.0.0.1", 0)); server.listen()
    print("loopback", 1 - fails(lambda: socket.create_connection(server.getsockname())))
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A folder with an audited notebook that looks around, and the status of the audit."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / "data").mkdir()
    (folder / "data/rows.txt").write_text("12")
    (folder / "helper.py").write_text("VALUE = 3")
    saved = "secrets 0\ndata 12\nhome 0\nnetwork 0\noutside 0\nloopback 1\n"
    source = SHUT_IN.replace("FOLDER", repr(str(folder)))
    case = Case([(source, saved, [SAME] * 6), ("from helper import VALUE\nprint('<b>', VALUE)", "<b> 3\n", [SAME])])
    os.environ["A_SECRET"] = "x"
    try:
        status = main(["audit", str(write_case(case, folder / "paper.ipynb"))])
    finally:
        del os.environ["A_SECRET"]
    return folder, status


@pytest.fixture(scope="module")
def differing(tmp_path_factory):
    """The folder of an audit of a notebook one of whose numbers differs."""
    folder = tmp_path_factory.mktemp("differing")
    case = Case([("print('a', 1)\nprint('<i>', 2)", "a 1\n<i> 3\n", [])])
    assert main(["audit", str(write_case(case, folder / "paper.ipynb")), "--output", str(folder / "there")]) == 1
    return folder / "there"


def test_a_notebook_is_shut_in_and_finds_what_lies_beside_it(audited):
    folder, status = audited
    assert has_namespaces(), "this test needs user namespaces"
    rows = json.loads((folder / "paper-audit/audit.json").read_text())["figures"]
    assert {row["label"]: row["now"] for row in rows} == {row["label"]: row["published"] for row in rows}
    assert status == 0


def test_nothing_is_left_but_the_results(audited):
    folder, _ = audited
    assert {path.name for path in folder.iterdir()} == {"paper.ipynb", "helper.py", "data", "paper-audit"}
    assert not os.path.exists("/tmp/made-by-an-audit.txt")
    named = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "600"] not in named
    results = {str(path.relative_to(folder / "paper-audit")) for path in (folder / "paper-audit").rglob("*.*")}
    runs = {f"runs/{name}.{suffix}" for name in ("first", "second") for suffix in ("ipynb", "json")}
    assert results == runs | {"audit.json", "figures.csv", "report.html"}


def test_the_record_is_as_its_schema_says(audited, differing, project):
    schema = json.loads((project / "docs/schemas/audit.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    for folder in (audited[0] / "paper-audit", differing):
        Draft202012Validator(schema).validate(json.loads((folder / "audit.json").read_text()))
    figure = schema["properties"]["figures"]["items"]["properties"]
    assert list(COLUMNS) == list(figure)
    name = schema["properties"]["runs"]["items"]["properties"]["name"]
    assert name["pattern"] == f"^({'|'.join(RUNS)}|{NEWER}.+)$"
    assert figure["verdict"]["enum"] == list(VERDICTS) and figure["cause"]["enum"] == ["", *CAUSES]


def test_the_table_has_a_row_for_every_number(differing):
    with (differing / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["published"], row["now"], row["verdict"], row["cause"]) for row in rows] == [
        ("a", "1", "1", "same", ""),
        ("i", "3", "2", "differs", "unexplained"),
    ]


def test_the_report_marks_every_number_in_place(differing):
    page = BeautifulSoup((differing / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert page.select_one(".lead").text == "Of 2 printed numbers, 1 came out the same and 1 came out otherwise."
    targets = {mark["href"] for mark in page.select(".marks-of ol a")}
    assert targets == {"#n1", "#n2"}
    assert [page.select_one(target).find(string=True) for target in sorted(targets)] == ["1", "3"]
    assert page.select_one("#n2 .now").text == " now 2"
    assert "<i> 3" in page.select_one("pre.stdout").text
    assert page.select_one("#why-n2 td:last-child").text.startswith("all runs print the same")


@pytest.mark.parametrize(
    "content, said",
    [(None, "cannot be read"), ("", "is no notebook"), ("{}", "is no notebook"), ("[1]", "is no notebook")],
)
def test_what_is_no_notebook_cannot_be_audited(content, said, tmp_path, capsys):
    file = tmp_path / "paper.ipynb"
    if content is not None:
        file.write_text(content)
    assert main(["audit", str(file)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "paper-audit").exists()


def test_a_folder_that_is_too_large_is_refused(tmp_path, capsys):
    file = write_case(Case([("print(1)", "1\n", [])]), tmp_path / "paper.ipynb")
    (tmp_path / "data.bin").write_bytes(bytes(3 * 2**20))
    assert main(["audit", str(file), "--disk", "2"]) == 2
    assert "--disk" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--time", "0"], ["--memory", "no"], ["--jobs", "-1"]])
def test_a_wrong_limit_is_refused(option, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(tmp_path / "paper.ipynb"), *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err


def is_alive(process):
    """Tell whether a process has not ended; one that has may wait for its new parent to take note."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_an_audit_that_is_stopped_leaves_nothing(tmp_path, start_gradlab):
    file = write_case(Case([("while True: pass", "1\n", [])]), tmp_path / "paper.ipynb")
    private = tmp_path / "private"
    private.mkdir()
    process = start_gradlab("audit", str(file), TMPDIR=str(private))
    marked = []
    while not marked:
        assert process.poll() is None
        time.sleep(0.2)
        marked = [child for child in psutil.Process(process.pid).children(recursive=True) if child.name() != "unshare"]
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 2
    assert not [child for child in marked if is_alive(child)]
    assert not list(private.iterdir())
