"""Two runs of a made study, compared byte by byte."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from made_cells import finish_cell, make_cell, write_plan
from made_runs import seal

from gradlab.engine.results import PlanError, load_results
from gradlab.engine.verify import (
    COMPARISON,
    Comparison,
    MetricDifference,
    RepeatabilityError,
    compare_studies,
    describe_comparisons,
    find_difference,
    judge_repeats,
    load_comparisons,
    main,
    save_comparisons,
)
from gradlab.files import sha256

SEARCH, TRAIN = "s/corrected/search-1", "s/corrected/1"
METRICS = {SEARCH: {"rate": 0.1}, TRAIN: {"accuracy": [0.5, 0.75], "loss": 1.0}}


def write_run(root, *, data="data", source="x = 1\n", metrics=METRICS):
    """Write a run whose training reads its search; the paths in it are relative to the parent of `root`."""
    home = root.parent
    files = {"module.py": source, f"{data}/made/dataset.json": "{}"}
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    cells = {SEARCH: make_cell(SEARCH, {"rate": 0}), TRAIN: make_cell(TRAIN, {"passes": 1}, reads={"search": SEARCH})}
    search = f"{root.name}/{SEARCH}/metrics.json"
    for name, cell in cells.items():
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(metrics[name]))
        (folder / "curves.csv").write_text("metric,value\nloss,1.0\n")
        (folder / "curves.svg").write_text("<svg/>")
        (folder / "notebook.ipynb").write_text(json.dumps({"started": str(root)}))
        finish_cell(folder, cell.parameters)
        inputs = ["module.py", f"{data}/made/dataset.json", *([search] if name == TRAIN else [])]
        seal(
            folder,
            parameters={**cell.parameters, "output": f"{root.name}/{name}"},
            inputs={path: sha256(home / path) for path in inputs},
        )
    write_plan(root, cells)
    return root


def rewrite(root, name, file, text):
    """Change a file of a cell as a run would have written it: the manifest knows."""
    (root / name / file).write_text(text)
    seal(root / name)


@pytest.fixture
def first(tmp_path):
    return write_run(tmp_path / "results")


@pytest.fixture
def second(tmp_path, first):
    return write_run(tmp_path / "again")


def compare(first, second):
    return compare_studies(first / "plan.json", second / "plan.json")


def verdicts(comparisons):
    return {name: comparison.verdict for name, comparison in comparisons.items()}


# Comparing -----------------------------------------------------------------------------------------


def test_two_runs_with_the_same_results_are_the_same_whatever_their_folders(first, second):
    found = compare(first, second)
    assert verdicts(found) == {SEARCH: "same", TRAIN: "same"}
    assert set(found[TRAIN].digests) == {"metrics.json", "curves.csv", "curves.svg"}  # the notebook tells when it ran
    for name, (one, other) in found[TRAIN].digests.items():
        assert one == other == sha256(first / TRAIN / name)
    assert found[TRAIN].metric is None and found[TRAIN].other_setup == []


def test_a_second_run_inside_the_folder_of_the_first_has_the_same_parameters(first, tmp_path):
    # The data lie below the results, and the second run's results too: only one of them is named from its own folder.
    shutil.rmtree(first)
    first = write_run(tmp_path / "results", data="results/data")
    again = write_run(tmp_path / "elsewhere/results", data="results/data")
    for name in METRICS:
        manifest = (again / name / "manifest.json").read_text()
        text = manifest.replace('"results/s/', '"results/again/s/')
        assert text != manifest
        (again / name / "manifest.json").write_text(text)
    shutil.move(again, first / "again")
    assert verdicts(compare(first, first / "again")) == {SEARCH: "same", TRAIN: "same"}


def test_runs_of_two_clones_are_compared_by_their_manifests_and_not_by_files_around_them(first, tmp_path, monkeypatch):
    clone = write_run(tmp_path / "clone/results", data=str(tmp_path / "clone/data"))
    away = tmp_path / "away"
    away.mkdir()
    (away / "module.py").write_text("another module of this name\n")
    monkeypatch.chdir(away)
    assert verdicts(compare(first, clone)) == {SEARCH: "same", TRAIN: "same"}


def test_a_metric_that_differs_is_named_with_both_values(first, second):
    rewrite(second, TRAIN, "metrics.json", json.dumps({"accuracy": [0.5, 0.625], "loss": 2.0}))
    found = compare(first, second)
    assert verdicts(found) == {SEARCH: "same", TRAIN: "differs"}
    assert found[TRAIN].differing == ["metrics.json"]
    assert found[TRAIN].metric == MetricDifference("accuracy[1]", 0.75, 0.625)


def test_a_figure_that_differs_or_was_not_written_is_named(first, second):
    rewrite(second, SEARCH, "curves.svg", "<svg> </svg>")
    rewrite(second, TRAIN, "samples.svg", "<svg/>")
    found = compare(first, second)
    assert (found[SEARCH].differing, found[SEARCH].metric) == (["curves.svg"], None)
    assert found[TRAIN].differing == ["samples.svg"]
    assert found[TRAIN].digests["samples.svg"] == (None, sha256(second / TRAIN / "samples.svg"))


@pytest.mark.parametrize(
    "one, other, difference",
    [
        ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, None),
        ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 3.0}, ("b", 2.0, 3.0)),
        ({"a": None}, {}, ("a", None, None)),
        ({}, {"a": 1}, ("a", None, 1)),
        ({"a": [1, 2]}, {"a": [1]}, ("a", [1, 2], [1])),
        ({"a": [1, None]}, {"a": [1, 0]}, ("a[1]", None, 0)),
        ({"a": 0.0}, {"a": -0.0}, ("a", 0.0, -0.0)),
        ({"a": 1}, {"a": True}, ("a", 1, True)),
    ],
)
def test_the_first_difference_between_metrics(one, other, difference):
    assert find_difference(one, other) == (difference and MetricDifference(*difference))


def fail(folder):
    log = folder.parents[2] / f"logs/{TRAIN}.ipynb"
    log.parent.mkdir(parents=True)
    log.write_text("{}")
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (shutil.rmtree, "run is missing"),
        (fail, "run failed"),
        (lambda folder: (folder / "curves.csv").write_text("x"), "run is stale: curves.csv is not the file"),
        (lambda folder: (folder / "metrics.json").write_bytes(b"\xff"), "run is stale: metrics.json is not the file"),
        (
            lambda folder: (folder / "manifest.json").write_text('{"cell": '),
            "run is stale: its manifest cannot be read",
        ),
    ],
)
@pytest.mark.parametrize("which", ["first", "second"])
def test_what_is_not_done_in_one_of_the_runs_is_not_compared(request, first, second, which, spoil, reason):
    spoil(request.getfixturevalue(which) / TRAIN)
    found = compare(first, second)
    assert verdicts(found) == {SEARCH: "same", TRAIN: "not compared"}
    assert found[TRAIN].reason.startswith(f"the {which} {reason}")
    assert getattr(found[TRAIN], which) is None and found[TRAIN].digests is None


def test_a_cell_that_the_second_study_does_not_plan_is_not_compared(first, second):
    plan = json.loads((second / "plan.json").read_text())
    del plan["cells"][TRAIN]
    (second / "plan.json").write_text(json.dumps(plan))
    assert compare(first, second)[TRAIN].reason == "the second study does not plan it"


def plan_with(root, name, **parameters):
    """Plan and run a cell under more parameters."""
    plan = json.loads((root / "plan.json").read_text())
    for kind in ("parameters", "given"):
        plan["cells"][name][kind] |= parameters
    (root / "plan.json").write_text(json.dumps(plan))
    given = json.loads((root / name / "manifest.json").read_text())["parameters"]
    seal(root / name, parameters=given | parameters)


@pytest.mark.parametrize(
    "parameters, reason",
    [
        ({"passes": 2}, "the parameters differ: passes 1 and 2"),
        ({"rows": [0, 1]}, "the parameters differ: rows not given and [0, 1]"),
        ({"rows": None}, "the parameters differ: rows not given and None"),
        (
            {"a": 1, "b": 1, "c": 1, "d": 1},
            "the parameters differ: a not given and 1, b not given and 1, c not given and 1 and 1",
        ),
    ],
)
def test_runs_with_other_parameters_are_not_compared(first, second, parameters, reason):
    plan_with(second, TRAIN, **parameters)
    found = compare(first, second)
    assert found[SEARCH].verdict == "same"
    assert found[TRAIN].reason.startswith(reason)


def test_runs_of_other_code_or_on_other_data_or_results_are_not_compared(first, tmp_path):
    other_code = write_run(tmp_path / "code/results", source="x = 2\n")
    found = compare(first, other_code)
    assert {comparison.reason for comparison in found.values()} == {"what went in differs: module.py"}
    clone = write_run(tmp_path / "clone/results", metrics=METRICS | {SEARCH: {"rate": 0.2}})
    found = compare(first, clone)
    assert found[SEARCH].verdict == "differs"
    assert found[TRAIN].reason == f"what went in differs: {SEARCH}/metrics.json"  # not its own doing
    manifest = json.loads((clone / SEARCH / "manifest.json").read_text())
    seal(clone / SEARCH, inputs=manifest["inputs"] | {"data/made/dataset.json": "0"})
    assert compare(first, clone)[SEARCH].reason == "what went in differs: made/dataset.json"


def test_a_copy_of_a_run_is_no_second_run(first, tmp_path):
    shutil.copytree(first, tmp_path / "copy")
    reasons = {comparison.reason for comparison in compare(first, tmp_path / "copy").values()}
    assert reasons == {"both folders hold the same run: one is a copy of the other"}


def test_the_setup_is_compared_as_well(first, second):
    machine = {"cpu": "other", "cores": 4, "system": "here", "threads": 2}
    rounding = {"asked": None, "measured": {"torch": {"capability": "AVX2"}}}
    seal(second / TRAIN, machine=machine, versions={"python": "3", "torch": "2"}, rounding=rounding)
    found = compare(first, second)[TRAIN]
    assert found.verdict == "same"
    assert found.other_setup == [
        "processor made and other",
        "threads 1 and 2",
        "torch capability None and AVX2",
        "torch None and 2",
    ]


# The file ------------------------------------------------------------------------------------------


def test_comparisons_are_read_as_they_were_written_and_the_same_runs_give_the_same_bytes(first, second, tmp_path):
    rewrite(second, TRAIN, "metrics.json", json.dumps({"accuracy": [0.5], "loss": 2.0}))
    found = compare(first, second)
    found["s/corrected/absent"] = Comparison("the second run is missing", found[SEARCH].first)
    for name in ("one.json", "other.json"):
        save_comparisons(found, tmp_path / name)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    read = load_comparisons(tmp_path / "one.json")
    assert list(read) == sorted(found)
    for name, comparison in found.items():
        assert read[name].verdict == comparison.verdict and read[name].reason == comparison.reason
        assert read[name].first == comparison.first and read[name].second == comparison.second
        assert read[name].digests == (comparison.digests or {}) and read[name].metric == comparison.metric
    assert load_comparisons(tmp_path / "absent.json") == {}


def test_the_file_tells_programs_all_that_was_compared(first, second):
    assert main([str(first / "plan.json"), str(second / "plan.json")]) == 0
    cell = json.loads((first / COMPARISON).read_text())["cells"][TRAIN]
    digest = sha256(first / TRAIN / "curves.csv")
    assert cell["files"]["curves.csv"] == {"same": True, "first": digest, "second": digest}
    assert (cell["verdict"], cell["reason"], cell["metric"]) == ("same", "", None)
    for run in ("first", "second"):
        assert cell[run] == {
            "started": "2026-01-01T12:00:00+00:00",
            "wall_seconds": 1.5,
            "machine": {"cpu": "made", "cores": 2, "system": "here", "threads": 1},
            "rounding": {"asked": None, "measured": {}},
            "versions": {"python": "3"},
            "git": None,
        }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"second": {', '"third": {'),
        lambda text: text.replace('"verdict": "same"', '"verdict": "differs"'),
        lambda text: text.replace("2026-01-01T12", "yesterday"),
        lambda text: text.replace('"machine"', '"engine"'),
    ],
)
def test_a_damaged_file_is_refused(first, second, spoil):
    main([str(first / "plan.json"), str(second / "plan.json")])
    file = first / COMPARISON
    file.write_text(spoil(file.read_text()))
    with pytest.raises(RepeatabilityError, match=r"repeatability\.json cannot be read; `make verify` writes it anew"):
        load_comparisons(file)


# What is said of a cell ----------------------------------------------------------------------------


def test_a_comparison_counts_only_while_the_cell_holds_what_was_compared(first, second):
    seal(second / TRAIN, started="2026-01-03T23:00:00-05:00")
    found = compare(first, second)
    judged = judge_repeats(load_results(first / "plan.json"), found)
    assert (judged[TRAIN].state, judged[TRAIN].short) == ("same", "repeated: same bytes")
    assert judged[TRAIN].text == "repeated on 2026-01-03: same bytes"
    assert judged[TRAIN].comparison is found[TRAIN]
    rewrite(first, TRAIN, "notebook.ipynb", '{"started": "later"}')
    assert judge_repeats(load_results(first / "plan.json"), found)[TRAIN].state == "same"
    rewrite(first, TRAIN, "curves.svg", "<svg> </svg>")
    changed = judge_repeats(load_results(first / "plan.json"), found)[TRAIN]
    assert (changed.state, changed.text, changed.comparison) == ("changed", "not repeated since it changed", None)
    (first / TRAIN / "manifest.json").unlink()
    assert set(judge_repeats(load_results(first / "plan.json"), found)) == {SEARCH}


def test_what_differs_and_what_was_not_compared_is_said_and_nothing_without_a_comparison(first, second):
    for number in range(5):
        rewrite(second, TRAIN, f"figure-{number}.svg", "<svg/>")
    shutil.rmtree(second / SEARCH)
    results = load_results(first / "plan.json")
    judged = judge_repeats(results, compare(first, second))
    assert (judged[SEARCH].state, judged[SEARCH].text) == ("none", "not repeated")
    assert judged[TRAIN].text == ("repeated on 2026-01-01: figure-0.svg, figure-1.svg, figure-2.svg and 2 more differ")
    rewrite(first, TRAIN, "curves.csv", "x")
    assert (
        judge_repeats(load_results(first / "plan.json"), {TRAIN: compare(first, second)[TRAIN]})[SEARCH].state == "none"
    )
    assert judge_repeats(results, {}) == {}


# The command ---------------------------------------------------------------------------------------


def test_it_prints_counts_and_what_differs_or_was_not_compared(first, second, capsys):
    rewrite(second, SEARCH, "metrics.json", '{"rate": 0.30000000000000004}')
    rewrite(second, SEARCH, "curves.csv", "x")
    seal(second / SEARCH, versions={"python": "4"})
    shutil.rmtree(second / TRAIN)
    assert main([str(first / "plan.json"), str(second / "plan.json")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "0 of 2 cells have the same bytes in both runs, 1 differs, 1 not compared",
        f"{SEARCH}: curves.csv, metrics.json differ; the first metric that differs is rate, 0.1 and 0.30000000000000004; "
        "the setup differs too, python 3 and 4",
        f"not compared: {TRAIN}: the second run is missing",
    ]


def test_it_succeeds_where_what_was_compared_is_the_same(first, second, capsys):
    plans = [str(first / "plan.json"), str(second / "plan.json")]
    shutil.rmtree(second / TRAIN)
    assert main(plans) == 0
    assert capsys.readouterr().out.startswith("1 of 2 cells have the same bytes in both runs, 0 differ, 1 not compared")


def test_it_does_not_succeed_where_nothing_was_compared(first, second, capsys):
    for name in METRICS:
        shutil.rmtree(second / name)
    assert main([str(first / "plan.json"), str(second / "plan.json")]) == 1
    assert f"not compared: {SEARCH}, {TRAIN}: the second run is missing" in capsys.readouterr().out


def test_many_cells_with_one_reason_are_one_line():
    found = {f"s/published/{number}": Comparison("the second run is missing") for number in range(9)}
    assert list(describe_comparisons(found))[1:] == [
        "not compared: s/published/0, s/published/1, s/published/2 and 6 more: the second run is missing"
    ]


@pytest.mark.parametrize(
    "plan, again, message",
    [
        ("results/plan.json", "nowhere/plan.json", "no second run to compare with; `make verify` makes one"),
        ("nowhere/plan.json", "again/plan.json", "there is no plan {0}/nowhere/plan.json; the workflow writes it"),
        ("results/plan.json", "results/plan.json", "lie in one folder; name the plan of a second run"),
        ("results/plan.json", "link/plan.json", "lie in one folder; name the plan of a second run"),
        ("results/plan.json", "damaged.json", "the plan {0}/damaged.json is not JSON"),
        ("results/plan.json", "list.json", "{0}/list.json is not a plan of this version"),
    ],
)
def test_plans_that_cannot_be_compared_are_one_line_that_says_what_to_do(
    first, second, tmp_path, capsys, plan, again, message
):
    (tmp_path / "link").symlink_to(first)
    (tmp_path / "damaged.json").write_text('{"cells": ')
    (tmp_path / "list.json").write_text("[]")
    assert main([str(tmp_path / plan), str(tmp_path / again)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("gradlab: ") and said.err.count("\n") == 1
    assert message.format(tmp_path) in said.err
    assert not (first / COMPARISON).exists()


def test_a_full_disk_is_one_line_and_the_last_comparison_stays(first, second, monkeypatch, capsys):
    plans = [str(first / "plan.json"), str(second / "plan.json")]
    main(plans)
    before = (first / COMPARISON).read_bytes()
    rewrite(second, TRAIN, "curves.csv", "x")

    def fill_disk(self, *_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", fill_disk)
    capsys.readouterr()
    assert main(plans) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "No space left on device" in said
    assert said.endswith("make room on the disk, and run this again\n")
    assert (first / COMPARISON).read_bytes() == before


def test_a_plan_that_is_not_there_is_an_error_of_its_own(second, tmp_path):
    with pytest.raises(PlanError, match="there is no plan"):
        compare_studies(tmp_path / "nowhere/plan.json", second / "plan.json")
