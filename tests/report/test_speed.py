"""The benchmarks in the report, from made results."""

import copy
import json

import pytest
from bs4 import BeautifulSoup

from gradlab.report.build import main
from gradlab.report.speed import BenchmarkError, tabulate_benchmarks


def way(label, seconds, ratio, lower=None, upper=None):
    spread = {"median": ratio, "lower": lower or ratio, "upper": upper or ratio}
    return {"label": label, "seconds": {"median": seconds}, "ratio": spread}


RESULT = {
    "title": "A thousand updates",
    "contenders": [way("gradlab", 0.002, 1), way("another", 0.004, 2), way("the plain way", 0.21, 105, 99.5, 110.4)],
    "target": {"against": "the plain way", "bound": 4, "met": True},
    "started": "2026-01-02T03:04:05+00:00",
    "machine": {"cpu": "made", "cores": 2},
}


@pytest.fixture
def save(tmp_path):
    """A function that saves results of benchmarks, and returns their file."""

    def write(*results):
        file = tmp_path / "benchmarks.json"
        file.write_text(json.dumps({"benchmarks": results}))
        return file

    return write


def changed(**facts):
    return {**copy.deepcopy(RESULT), **facts}


def test_our_way_stands_beside_the_one_that_the_target_names(save):
    seconds = changed(target={"against": None, "bound": 0.001, "met": False}, machine={"cpu": "other", "cores": 1})
    table = tabulate_benchmarks(save(RESULT, seconds))
    assert table.rows == [
        [
            *("A thousand updates", "the plain way", "0.21 s", "2 ms", "105 [99.5, 110]"),
            *("at least 4 times: met", ""),
        ],
        ["A thousand updates", "another", "4 ms", "2 ms", "2 [2, 2]", "at most 0.001 s: not met", ""],
    ]
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert table.caption.endswith(" Measured on made, 2 cores, 2026-01-02 and other, 1 cores, 2026-01-02.")


def test_parts_stand_below_the_whole_with_how_often_they_occur(save):
    part = changed(times={"gradlab": 1250.5}, share=0.864)
    del part["target"]
    study = changed(title="A study", times={"gradlab": 1}, parts=[part])
    rows = tabulate_benchmarks(save(changed(title="All", parts=[study]))).rows
    assert [row[0] for row in rows] == ["All", "– A study", "– – 1,250 × A thousand updates"]
    assert rows[2] == [rows[2][0], "another", "4 ms", "2 ms", "2 [2, 2]", "", "86%"]


def test_long_times_are_in_minutes(save):
    whole = changed(
        contenders=[way("gradlab", 60.4, 1), way("another", 330.0, 5.46)],
        target={**RESULT["target"], "against": "another"},
    )
    assert tabulate_benchmarks(save(whole)).rows[0][2:4] == ["5.5 min", "60.4 s"]


def test_a_file_that_is_not_there_is_no_table(tmp_path):
    assert tabulate_benchmarks(tmp_path / "missing.json") is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"benchmarks": [1]}',
        json.dumps({"benchmarks": [changed(contenders=RESULT["contenders"][:1])]}),
        json.dumps({"benchmarks": [changed(contenders=[way("gradlab", "fast", 1)] * 2)]}),
        json.dumps({"benchmarks": [changed(machine={})]}),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "benchmarks.json"
    file.write_text(content)
    with pytest.raises(BenchmarkError, match=r"benchmarks\.json cannot be read .*; write it again with `make bench`"):
        tabulate_benchmarks(file)


@pytest.fixture
def render(made):
    """A function that renders the report of a study in which nothing has run, with a file of benchmarks."""
    made.add_study("slopes")
    made.plan({"slopes/published/jump": {}})
    return lambda file: main([*made.command, *([f"--benchmarks={file}"] if file else [])])


def test_the_report_shows_the_benchmarks_as_text(render, save, made):
    assert render(save(changed(title="<b>bold</b>"))) == 0
    document = BeautifulSoup((made.root / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert "<b>bold</b>" in document.select_one("#cost").get_text()
    assert document.select_one("#cost h2").get_text() == "Cost and speed"


@pytest.mark.parametrize("name", [None, "missing.json"])
def test_without_benchmarks_the_report_has_no_such_section(name, render, made, tmp_path):
    assert render(name and tmp_path / name) == 0
    assert "Cost and speed" not in (made.root / "report.html").read_text(encoding="utf-8")


def test_benchmarks_that_are_damaged_are_one_line(render, tmp_path, capsys):
    (tmp_path / "damaged.json").write_text("{")
    assert render(tmp_path / "damaged.json") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "damaged.json cannot be read" in line
