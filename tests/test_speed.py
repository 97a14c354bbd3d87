"""The benchmarks in the report, and where the time of a study goes, from made results."""

import copy
import json

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from gradlab.blocks import Picture, Table, Text
from gradlab.plots.speed import Bar, plot_ratios
from gradlab.report import main
from gradlab.sections.speed import BenchmarkError, load_benchmarks, print_seconds, show_speed

MACHINE = {"cpu": "made", "cores": 2, "system": "here", "threads": 1}


def spread(median, lower=None, upper=None):
    return {"median": median, "lower": median if lower is None else lower, "upper": median if upper is None else upper}


RESULT = {
    "name": "two_layer",
    "title": "A thousand updates",
    "unit": "update",
    "clock": "processor time",
    "rounds": 3,
    "derivation": "Counted by hand.",
    "limits": {"float64": spread(8e10)},
    "contenders": [
        {"label": "gradlab", "seconds": spread(0.002), "ratio": spread(1), "share": spread(0.61)},
        {
            "label": "the plain way",
            "seconds": spread(0.01, 0.009, 0.0123),
            "ratio": spread(5, 4.5, 6),
            "share": spread(0.1),
        },
    ],
    "targets": [
        {"quantity": "ratio", "against": "the plain way", "bound": 4, "measured": 5, "met": True},
        {"quantity": "share", "against": None, "bound": 0.7, "measured": 0.61, "met": False},
    ],
    "profile": [{"operation": "matrix product", "share": 0.9}, {"operation": "all others", "share": 0.01}],
    "started": "2026-01-02T03:04:05+00:00",
    "machine": MACHINE,
    "versions": {"torch": "2"},
    "git": {"commit": "0123456789abcdef", "dirty": False},
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


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


def texts(blocks):
    return [block.text for block in blocks if isinstance(block, Text)]


def test_a_way_stands_beside_its_target_ratio_and_share(save):
    blocks = show_speed(load_benchmarks(save(RESULT)), {})
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.caption == "A thousand updates (processor time of one update, 3 rounds)"
    assert table.header == ["Way", "Time", "Ratio", "Share of the limit", "Target"]
    assert table.rows == [
        ["gradlab", "2.00 ms", "1", "61%", "at least 70% of the limit: not met"],
        ["the plain way", "10.0 ms [9.00 ms, 12.3 ms]", "5 [4.5, 6]", "10%", "ratio at least 4: met"],
    ]
    about, machine, profile = texts(blocks)
    assert "1 of 2 targets are met; not all of: two layer." in about
    assert machine == "They ran on made, 2 cores (here), 2026-01-02, commit 0123456789abcdef, torch 2."
    assert (
        profile
        == "Where the time of gradlab goes: matrix product 90%. The limit in float64: 80 Gflop/s. Counted by hand."
    )


def test_what_has_no_limit_has_no_share(save):
    contenders = [{name: value for name, value in way.items() if name != "share"} for way in RESULT["contenders"]]
    blocks = show_speed(load_benchmarks(save(changed(limits={}, contenders=contenders, derivation="", profile=[]))), {})
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.header == ["Way", "Time", "Ratio", "Target"] and {len(row) for row in table.rows} == {4}
    assert len(texts(blocks)) == 2  # nothing is said of limits and profile


def test_the_figure_has_every_other_way(save):
    alone = changed(name="alone", contenders=RESULT["contenders"][:1], targets=[])
    blocks = show_speed(load_benchmarks(save(RESULT, alone)), {})
    (picture,) = (block for block in blocks if isinstance(block, Picture))
    assert "two layer: the plain way 5." in picture.alt and "alone" not in picture.alt
    assert not any(isinstance(block, Picture) for block in show_speed(load_benchmarks(save(alone)), {}))


def test_dots_and_quartiles_are_where_the_ratios_are():
    figure = plot_ratios(
        [("one", [Bar("a", 2, 1.5, 4), Bar("b", 10, 9, 11)]), ("none", []), ("two", [Bar("c", 3, 3, 3)])], own="x"
    )
    (ax,) = figure.axes
    drawn = [list(line.get_xdata()) for line in ax.lines]
    assert drawn == [[1.5, 4], [2], [9, 11], [10], [3, 3], [3], [1, 1]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    heights = [line.get_ydata()[0] for line in ax.lines[:-1]]
    assert heights[::2] == heights[1::2] == list(ax.get_yticks())
    assert {"one", "two"} < {text.get_text() for text in ax.texts} and "none" not in {
        text.get_text() for text in ax.texts
    }
    with pytest.raises(ValueError, match="no ratio to draw"):
        plot_ratios([("none", [])], own="x")


def test_another_machine_than_that_of_the_study_is_named(save, make_material):
    results = make_material({"autodiff/published/jump": ({}, {})}).results
    assert "ran on a machine of the same kind" in texts(show_speed(load_benchmarks(save(RESULT)), results))[1]
    elsewhere = changed(machine={**MACHINE, "cpu": "another"})
    text = texts(show_speed(load_benchmarks(save(RESULT, elsewhere)), results))[1]
    assert "They ran on made, 2 cores (here) and another, 2 cores (here)" in text
    assert text.endswith("ran elsewhere, on made, 2 cores (here): these times are not theirs.")


def test_the_time_of_the_study_is_told_by_kind_of_cell(make_material):
    cells = {f"regularization/published/coarse-{number}": ({}, {}) for number in range(4)}
    cells |= {"autodiff/published/jump": ({}, {}), "autodiff/published/power": None}
    (about, table) = show_speed([], make_material(cells).results)
    assert about.text == "No benchmarks have run; make bench runs them."
    # Every made cell took 1.5 s.
    assert [[row[0].value, *row[1:]] for row in table.rows] == [
        ["coarse-0 … 3", "Regularization", "published", 4, "6 s", "80.0%"],
        ["jump", "Autodiff", "published", 1, "2 s", "20.0%"],
    ]
    assert table.rows[1][0].cells == ["autodiff/published/jump"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (123.4, "123 s"),
        (9.996, "10.0 s"),
        (1, "1.00 s"),
        (0.9996, "1.00 s"),
        (0.4886, "489 ms"),
        (0.00234, "2.34 ms"),
        (9.51e-5, "95.1 µs"),
        (2e-8, "0.02 µs"),
        (0.0, "0.00 µs"),
    ],
)
def test_short_times(seconds, text):
    assert print_seconds(seconds) == text


def test_a_file_that_is_not_there_is_none(tmp_path):
    assert load_benchmarks(tmp_path / "missing.json") == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"benchmarks": [1]}',
        json.dumps({"benchmarks": [changed(contenders=[])]}),
        json.dumps({"benchmarks": [changed(limits={"float32": spread("fast")})]}),
        json.dumps({"benchmarks": [changed(limits={"float32": spread(float("nan"))})]}),
        json.dumps({"benchmarks": [changed(machine={})]}),
        json.dumps(
            {"benchmarks": [changed(targets=[{"quantity": "beauty", "against": None, "bound": 1, "met": True}])]}
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    file = tmp_path / "benchmarks.json"
    file.write_text(content)
    with pytest.raises(BenchmarkError, match=r"benchmarks\.json cannot be read .*; write it again with `make bench`"):
        load_benchmarks(file)


@pytest.fixture
def render(tmp_path, project):
    """A function that renders the report of a study in which nothing has run, with a file of benchmarks, and parses it."""
    (tmp_path / "plan.json").write_text(json.dumps({"cells": {"autodiff/published/jump": {}}}))
    folders = {
        "published": project / "workflow/published",
        "templates": project / "workflow/report",
        "data": tmp_path / "data",
    }

    def run(file):
        options = [f"--{name}={folder}" for name, folder in folders.items()]
        assert main([str(tmp_path / "plan.json"), *options, *([f"--benchmarks={file}"] if file else [])]) == 0
        return BeautifulSoup((tmp_path / "report.html").read_text(encoding="utf-8"), "html.parser")

    return run


def test_the_report_shows_the_benchmarks(render, save, tmp_path):
    section = render(save(RESULT)).find(id="speed")
    assert "the plain way" in section.table.get_text() and "Where the time of gradlab goes" in section.get_text()
    assert (tmp_path / section.img["src"]).exists()


def test_the_report_does_without_benchmarks_and_names_a_file_that_is_damaged(render, tmp_path):
    assert "make bench runs them" in render(None).find(id="speed").get_text()
    assert "make bench runs them" in render(tmp_path / "missing.json").find(id="speed").get_text()
    (tmp_path / "damaged.json").write_text("{")
    section = render(tmp_path / "damaged.json").find(id="speed")
    assert "Not known: " in section.get_text() and "damaged.json cannot be read" in section.get_text()


def test_what_benchmarks_say_is_text_in_the_report(render, save):
    html = render(save(changed(title="<b>bold</b>", derivation="<i>x</i>")))
    assert "<b>bold</b>" in html.find(id="speed").get_text() and html.find(id="speed").find("i") is None
