"""Two runs of a made study under two rounding contexts: what stands, what changed, and what moved."""

import json
import shutil
import sys

import pytest
from made_report import MadeReport
from made_runs import copy_run, seal

from gradlab.engine.plan import find_studies
from gradlab.engine.results import load_plan, load_results
from gradlab.engine.robustness import ROBUSTNESS, Pair, compare_roundings, load_robustness, main, print_side, stand
from gradlab.engine.verify import RepeatabilityError
from gradlab.files import sha256

CLAIMS = """
from gradlab.engine.claims import Error, Finding
from gradlab.engine.material import compare_runs


def arm(metric):
    return lambda material: compare_runs(material.runs(f"{metric}.a"), material.runs(f"{metric}.b"))


def compare(material):
    found = material.comparison("loss, a − b")
    return found and f"the first arm is {found.direction}."


COMPARISONS = {"loss, a − b": arm("loss"), "time, a − b": arm("time")}
CONCLUSIONS = {compare: ("corrected/*",)}


def examine(material):
    value = material.metric("published/one", "one.loss")
    return None if value is None else Finding("seen", "right", value < 1)


ERRATA = [Error(1, "M", "A loss below 1", "It is not.", ("published/one",), examine)]
"""
FIGURES = [{"id": "one.loss", "value": "0.50"}, {"id": "one.time", "value": "3"}]
ONE, ARMS = "study/published/one", "study/corrected/arms"
READER = "study/corrected/reader"
SEEDS = [0, 1, 2]
METRICS = {
    ONE: {"one.loss": 0.5, "one.time": 3.0},
    # loss: a above b in every pair by about 1; time: nothing
    ARMS: {"loss.a": [2.0, 2.1, 1.9], "loss.b": [1.0, 1.0, 1.0], "time.a": [1.0, 2.0, 3.0], "time.b": [2.0, 2.0, 2.0]},
    READER: {},
}
ASKED = {None: "AVX512", "avx2": "AVX2"}


def finish(folder, key, metrics, context):
    """Leave the metrics of a run under a context."""
    (folder / key / "metrics.json").write_text(json.dumps(metrics))
    rounding = {"asked": context, "measured": {"torch": {"capability": ASKED[context], "threads": 1}}}
    read = folder / ARMS / "metrics.json"
    changed = {"inputs": {str(read): sha256(read)}} if key == READER else {}
    output = {"output": f"{folder}/{key}"}
    seal(folder / key, rounding=rounding, parameters=output, **changed)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two plans of one made study, and a function that changes metrics of the second run."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = MadeReport(tmp_path)
    made.add_study("study", FIGURES, claims=CLAIMS)
    made.plan(
        {
            ONE: {"metrics": [*METRICS[ONE]]},
            ARMS: {"metrics": [*METRICS[ARMS]], "replicates": SEEDS},
            READER: {"reads": {"arms": ARMS}},
        }
    )
    for key in METRICS:
        made.finish(key)
    again = copy_run(made.root, tmp_path / "again")
    plan = (again / "plan.json").read_text()
    (again / "plan.json").write_text(plan.replace('"rounding": null', '"rounding": "avx2"'))

    def change(**metrics):
        for key, values in METRICS.items():
            finish(made.root, key, values, None)
            finish(
                again, key, {name: metrics.get(name.replace(".", "_"), value) for name, value in values.items()}, "avx2"
            )
        return compare_roundings(made.root / "plan.json", again / "plan.json")

    change.plans = (made.root / "plan.json", again / "plan.json")
    change.made = made
    return change


def by_name(pairs):
    return {pair.name: (pair.first, pair.second) for pair in pairs}


def standing(found):
    return {pair.name: stand(pair) for pair in found.comparisons}


def test_what_is_the_same_stands(runs):
    found = runs()
    assert standing(found) == {"loss, a − b": "stands", "time, a − b": "stands"}
    assert not any(pair.changed for pair in (*found.values, *found.verdicts, *found.conclusions))
    assert found.contexts == ("all that the processor has", "avx2")
    assert found.facts == {"torch capability": ("AVX512", "AVX2"), "torch threads": ("1", "1")}


def test_a_comparison_that_changes_its_direction_is_changed_and_one_that_moves_stands(runs):
    found = runs(loss_a=[2.0, 0.5, 1.2], time_a=[1.0, 2.0, 3.1])
    assert standing(found) == {"loss, a − b": "changed", "time, a − b": "stands"}
    (loss,) = (pair for pair in found.comparisons if pair.name == "loss, a − b")
    assert (loss.first["direction"], loss.second["direction"]) == (1, 0)
    assert (loss.first["mean"], loss.first["family"]) == (pytest.approx(1.0), 2)
    assert by_name(found.conclusions) == {"compare": ("The first arm is 1.", "The first arm is 0.")}


def test_figures_and_verdicts_that_moved_are_told_the_furthest_first(runs):
    found = runs(one_loss=1.5, one_time=3.01)
    assert [pair.name for pair in found.values] == ["one.loss", "one.time"]
    assert by_name(found.values) == {"one.loss": (0.5, 1.5), "one.time": (3.0, 3.01)}
    changed = by_name(pair for pair in found.verdicts if pair.changed)
    assert changed == {
        "one.loss": ("exact", "not reproduced"),
        "erratum: A loss below 1": ("confirmed", "not confirmed"),
    }


def test_a_cell_that_reads_results_that_moved_is_compared_with_them(runs):
    assert not runs(loss_a=[2.0, 2.2, 1.9]).cells[READER].reason


def test_cells_that_only_one_run_has_count_in_neither(runs):
    """As with `CELLS=corrected`: what has not run again neither stands nor has changed."""
    runs(one_loss=9.0)
    shutil.rmtree(runs.plans[1].parent / ONE)
    found = compare_roundings(*runs.plans)
    assert found.cells[ONE].reason == "the second run is missing"
    assert (found.values, found.verdicts) == ([], [])
    assert set(standing(found).values()) == {"stands"}


def test_a_comparison_that_one_run_does_not_give_is_not_compared(runs):
    assert stand(Pair("s", "n", {"direction": 1}, None)) == "not compared"
    assert stand(Pair("s", "n", {"direction": None}, {"direction": None})) == "not compared"
    found = runs(loss_a=[2.0, None, None])
    assert standing(found)["loss, a − b"] == "not compared"


def test_the_same_context_twice_tells_nothing(runs):
    runs()
    for key in METRICS:
        finish(runs.plans[1].parent, key, METRICS[key], None)
    runs.plans[1].write_text(runs.plans[1].read_text().replace('"rounding": "avx2"', '"rounding": null'))
    with pytest.raises(RepeatabilityError, match="have one rounding context: run one of them with another"):
        compare_roundings(*runs.plans)


def test_nothing_to_compare_is_an_error_that_says_why(runs):
    runs()
    for key in METRICS:
        shutil.rmtree(runs.plans[1].parent / key)
    with pytest.raises(RepeatabilityError, match=r"no cell can be compared in .*: the second run is missing"):
        compare_roundings(*runs.plans)


def test_the_command_writes_what_is_read_again_and_fails_where_a_comparison_changed(runs, capsys):
    runs(one_time=3.01)
    assert main([*map(str, runs.plans)]) == 0
    # Of two comparisons the first is held against 2.5 %, and t(0.9875; 2) = 6.205.
    runs(loss_a=[2.0, 0.5, 1.2], one_loss=1.5)
    assert main([*map(str, runs.plans)]) == 1
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "rounding by all that the processor has, and by avx2: of the comparisons that conclusions rest on, 1 of 2 stand, 1 "
        "changed, 0 not compared; of the verdicts, 2 of 3 changed; of our values of published figures, 1 of 2 moved; of the "
        "cells, 1 of 3 have the same bytes",
        "measured: torch capability AVX512 and AVX2",
        "changed: study, loss, a − b: higher [+0.6, +1.4]; now no difference detected [-2.5, +2.9]",
        "verdict: study, one.loss: exact; now not reproduced",
        "verdict: study, erratum: A loss below 1: confirmed; now not confirmed",
        "moved: study, one.loss: 0.5 and 1.5",
    ]
    written, read = compare_roundings(*runs.plans), load_robustness(runs.plans[0].parent / ROBUSTNESS)
    assert (read.values, read.verdicts, read.conclusions) == (written.values, written.verdicts, written.conclusions)
    assert standing(read) == standing(written) and read.facts == written.facts


def test_what_changed_since_is_noticed(runs, tmp_path):
    runs()
    main([*map(str, runs.plans)])
    found = load_robustness(runs.plans[0].parent / ROBUSTNESS)

    def stale():
        return found.find_stale(load_results(runs.plans[0]), find_studies(load_plan(runs.plans[0])))

    assert stale() == []
    claims = runs.made.package / "study/claims.py"
    claims.write_text(claims.read_text() + "\n")
    assert stale() == ["study"]
    finish(runs.plans[0].parent, ONE, {"one.loss": 0.25, "one.time": 3.0}, None)
    assert stale() == [ONE, "study"]


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-9], lambda text: "{}", lambda text: text.replace('"direction"', '"way"')]
)
def test_a_damaged_file_is_refused_and_none_is_none(runs, spoil):
    file = runs.plans[0].parent / ROBUSTNESS
    assert load_robustness(file) is None
    runs()
    main([*map(str, runs.plans)])
    file.write_text(spoil(file.read_text()))
    with pytest.raises(
        RepeatabilityError, match=r"rounding\.json cannot be read; `make verify ROUNDING=…` writes it anew"
    ):
        load_robustness(file)


def test_how_a_comparison_is_printed():
    assert print_side(None) == "not run"
    assert print_side({"direction": -1, "interval": [-0.05, -0.01]}) == "lower [-0.0500, -0.0100]"
    assert print_side({"direction": 0, "interval": None, "p_value": 0.25}) == "no difference detected (p = 0.25)"
    assert print_side({"direction": None, "interval": None}) == "not computed"
