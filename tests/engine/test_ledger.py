"""Published figures beside what made cells gave."""

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_cells import finish_cell, make_cell
from made_studies import make_study, run_cells

from gradlab.engine.claims import Erratum
from gradlab.engine.ledger import (
    Entry,
    Ledger,
    build_ledger,
    count_verdicts,
    load_ledger,
    main,
    save_ledger,
)
from gradlab.engine.verdicts import VERDICTS

GRID_0, GRID, LAST = (f"made/published/{name}" for name in ("grid-0", "grid", "last"))
SEEDED = [f"made/corrected/seeded-{seed}" for seed in range(3)]
FIGURES = """
figures:
  - {id: grid-0.accuracy, source: C, claim: point 0, value: "0.50", rule: exact, settings: {epochs: 8}}
  - {id: grid.best, source: C, claim: best, value: "0.1", rule: exact}
  - {id: last.accuracy, source: C, claim: last, value: "0.6", rule: rounding, bound: 0.1, why: drift, settings: {epochs: 2}}
  - {id: last.unmeasured, source: C, claim: none, value: "0.6", rule: exact}
  - {id: absent.accuracy, source: C, claim: absent, value: "0.6", rule: exact}
  - {id: spread.passes, source: C, claim: spread, value: "31", rule: interval, cause: unseeded, judged_by: corrected}
"""
_METRICS = ["last.accuracy", "last.unmeasured", "last.reached", "last.error"]
CELLS = {
    GRID_0: make_cell(GRID_0, {"epochs": 8}, metrics=["grid-0.accuracy"]),
    GRID: make_cell(GRID, {}, reads={"points": [GRID_0]}, metrics=["grid.best"]),
    LAST: make_cell(LAST, {"epochs": 2}, reads={"start": GRID}, metrics=_METRICS),
}
CORRECTED = {
    key: make_cell(key, {}, replicates=[seed], metrics=["last.accuracy", "spread.passes", "spread.unmeasured"])
    for seed, key in enumerate(SEEDED)
}
METRICS = {
    GRID_0: {"grid-0.accuracy": 0.5},
    GRID: {"grid.best": 0.1},
    LAST: {"last.accuracy": 0.65, "last.reached": None, "last.error": 0.55},
}
CORRECTED_METRICS = {
    key: {"last.accuracy": accuracy, "spread.passes": passes}
    for key, accuracy, passes in zip(SEEDED, (0.60, 0.62, 0.64), (30, 34, 32), strict=True)
}


@pytest.fixture
def study(tmp_path):
    """A function that runs a made study, some cells of which use others' results, and returns its ledger by id.

    Its attribute `figures` is the text to which tests add theirs, `root` the folder of results, `ledger` the whole ledger.
    """
    made, root = make_study(tmp_path), tmp_path / "results"

    def enter(cells=CELLS, metrics=METRICS, curves=None):
        (made.published / "figures.yaml").write_text(enter.figures)
        results = run_cells(root, cells.values(), metrics, curves)
        enter.ledger = build_ledger(results, {"made": made}, root=root)
        return {entry.id: entry for entry in enter.ledger.entries}

    enter.figures, enter.root = FIGURES, root
    return enter


def test_ledger_of_a_complete_study(study):
    entries = study()
    assert {name: (entry.verdict, entry.note) for name, entry in entries.items()} == {
        "grid-0.accuracy": ("exact", ""),
        "grid.best": ("exact", ""),
        "last.accuracy": ("reproduced", "bound 0.1"),
        "last.unmeasured": ("not run", "no cell measures it"),
        "absent.accuracy": ("not run", "not part of this study"),
        "spread.passes": ("not run", "not part of this study"),
    }
    last = entries["last.accuracy"]
    assert (last.study, last.claim, last.difference) == ("made", "last", pytest.approx(0.05))
    assert (last.cells, last.notebook) == ([LAST], "made/published/last/notebook.ipynb")
    assert (entries["absent.accuracy"].cells, entries["absent.accuracy"].notebook) == ([], None)


# Settings ------------------------------------------------------------------------------------------


def test_other_settings_than_published_are_not_compared_nor_is_what_uses_them(study):
    entries = study(CELLS | {GRID_0: dataclasses.replace(CELLS[GRID_0], parameters={"epochs": 1})})
    for name in ("grid-0.accuracy", "grid.best", "last.accuracy"):
        assert entries[name].verdict == "not run"
        assert entries[name].note == "other settings than published: grid-0: epochs 1 instead of 8"


def test_other_settings_are_counted_along_the_chain_and_the_nearest_is_named(study):
    other = {key: dataclasses.replace(CELLS[key], parameters={"epochs": 3}) for key in (GRID_0, LAST)}
    note = study(CELLS | other)["last.accuracy"].note
    assert note == "other settings than published: last: epochs 3 instead of 2; and 1 more"


def test_settings_that_no_cell_has_differ_and_a_study_without_any_is_compared_as_it_is(study):
    study.figures = FIGURES.replace("settings: {epochs: 2}", "settings: {rate: 1}").replace("settings: {epochs: 8}", "")
    cells = CELLS | {GRID_0: dataclasses.replace(CELLS[GRID_0], parameters={"epochs": 99})}
    entries = study(cells)
    assert entries["grid-0.accuracy"].verdict == "exact"
    assert entries["last.accuracy"].note == "other settings than published: last: rate None instead of 1"


# Values --------------------------------------------------------------------------------------------


def test_an_entry_carries_its_figure(study):
    study.figures += """
  - {id: last.error, source: C 3, claim: e, value: "0.9", meant: "0.6", rule: misprint, log: l, why: typo, origin: text}
"""
    entry = study()["last.error"]
    assert (entry.study, entry.source, entry.rule, entry.limit) == ("made", "C 3", "misprint", None)
    assert (entry.published, entry.meant, entry.why, entry.log, entry.origin) == ("0.9", "0.6", "typo", "l", "text")
    assert (entry.reproduced, entry.verdict, entry.cells) == (0.55, "not reproduced", [LAST])
    assert (entry.cause, entry.power) == ("misprint", None)


def test_what_no_cell_measures_is_told_from_what_a_run_did_not_give(study):
    study.figures += """
  - {id: last.reached, source: C, claim: r, value: "3", rule: exact}
  - {id: spread.unmeasured, source: C, claim: u, value: "3", rule: interval, cause: unseeded, judged_by: corrected}
"""
    entries = study(CELLS | CORRECTED, METRICS | CORRECTED_METRICS)
    assert entries["last.unmeasured"].note == "no cell measures it"
    assert entries["last.reached"].note == "the run did not give this figure"
    assert entries["spread.unmeasured"].note == "no cell measures it"
    assert {entries[name].reproduced for name in ("last.unmeasured", "last.reached", "spread.unmeasured")} == {None}


@pytest.fixture
def with_curves(study):
    """The study with figures that are points of a curve; a function as `study`, of the rows of the curves."""
    study.figures += """
  - {id: pass_2, source: C, claim: p, value: "0.71", rule: exact, cell: last, point: {pass: 2, split: test, metric: loss}}
  - {id: pass_9, source: C, claim: q, value: "0.71", rule: exact, cell: last, point: {pass: 9}}
  - {id: column, source: C, claim: c, value: "0.71", rule: exact, cell: last, point: {update: 2}}
"""

    def enter(*rows, **options):
        curves = pd.DataFrame(rows, columns=["pass", "split", "metric", "value"])
        return study(curves={LAST: curves}, **options)

    return enter


def test_a_figure_may_be_a_point_of_the_curves(with_curves):
    # The point that is asked for comes last, after neighbours that differ from it in one column only.
    near = [(1, "test", "loss", 0.1), (2, "train", "loss", 0.2), (2, "test", "accuracy", 0.3)]
    entries = with_curves(*near, (2, "test", "loss", 0.7123))
    entry = entries["pass_2"]
    assert (entry.verdict, entry.reproduced, entry.cells) == ("exact", 0.7123, [LAST])
    assert entry.difference == pytest.approx(0.0023)
    for name in ("pass_9", "column"):
        absent = entries[name]
        assert (absent.verdict, absent.reproduced, absent.note) == ("not run", None, "no cell measures it")


def test_a_point_of_the_curves_needs_its_cell(with_curves):
    some = {key: metrics for key, metrics in METRICS.items() if key != LAST}
    assert with_curves(metrics=some)["pass_2"].note == "the cell has not run"
    without = {key: cell for key, cell in CELLS.items() if key != LAST}
    assert with_curves(cells=without, metrics=some)["pass_2"].note == "not part of this study"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_curve_that_diverged_is_not_reproduced_and_can_be_saved(with_curves, study, value):
    entries = with_curves((2, "test", "loss", value))
    entry = entries["pass_2"]
    assert (entry.verdict, entry.reproduced, entry.note) == ("not reproduced", None, f"reproduced as {value}")
    save_ledger(study.ledger, [], study.root)
    assert load_ledger(study.root / "ledger.json") == list(entries.values())


@pytest.mark.parametrize("resolution, verdict", [(0.05, "compatible"), (0.0, "not reproduced")])
def test_an_interval_is_widened_by_the_resolution_of_its_cells(study, resolution, verdict):
    study.figures += (
        '  - {id: rate, source: C, claim: r, value: "0.0195", rule: interval, cause: unseeded, judged_by: corrected}'
    )
    key = "made/corrected/search"
    cell = make_cell(key, {}, metrics=["rate"], replicates=[0, 1, 2], resolution=resolution)
    entry = study({key: cell}, {key: {"rate": [0.02, 0.02, 0.02]}})["rate"]
    assert (entry.verdict, entry.low, entry.high) == (verdict, 0.02 / (1 + resolution), 0.02)


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_a_list_of_another_length_than_the_replicates_is_not_compared_and_stands_beside_nothing(study, protocol):
    study.figures += (
        f'  - {{id: rate, source: C, claim: r, value: "2", rule: interval, cause: unseeded, judged_by: {protocol}}}'
    )
    key = "made/corrected/search"
    cell = make_cell(key, {}, metrics=["rate"], replicates=[0, 1])
    entry = study({key: cell}, {key: {"rate": [1.0, 2.0, 3.0]}})["rate"]
    notes = {"corrected": f"rate of {key} has 3 values for 2 replicates", "published": "not part of this study"}
    assert (entry.verdict, entry.reproduced, entry.note) == ("not run", None, notes[protocol])
    assert (entry.corrected_n, entry.corrected_mean) == (None, None)


# Logs ----------------------------------------------------------------------------------------------

OTHERS = {f"made/corrected/other-{seed}": make_cell(f"made/corrected/other-{seed}", {}) for seed in range(5)}
LOGS = """
logs:
  - {id: last, file: log.csv, rows: {run: a}, index: pass, columns: {train_loss: {metric: loss}}, cell: last, source: C 5,
     claim: log, rule: follows, measure: train_loss, others: ["corrected/other-*"], settings: {epochs: 2}}
"""


def make_log(seed, noise=1.0):
    """A loss over forty passes that falls as all do, and swings as its own minibatches make it."""
    rng = np.random.default_rng(seed)
    return np.exp(-np.arange(41) / 20) + 0.1 * noise * rng.standard_normal(41)


def tabulate(log):
    return pd.DataFrame({"pass": range(len(log)), "metric": "loss", "value": log})


@pytest.fixture
def with_log(study, tmp_path):
    """The study with a published log; a function as `study`, of our log and those of other seeds."""
    study.figures += LOGS
    (published,) = tmp_path.glob("made_studies_*/made/published")
    printed = make_log(100).round(3)
    rows = [f"{run},{place},{value:.3f}" for run in "ab" for place, value in enumerate(printed + (run == "b"))]
    (published / "log.csv").write_text("\n".join(["run,pass,train_loss", *rows]))

    def enter(log, others=(101, 102, 103, 104, 105), **options):
        curves = {LAST: tabulate(log)} | {
            key: tabulate(make_log(seed)) for key, seed in zip(OTHERS, others, strict=False)
        }
        entries = study(CELLS | OTHERS, METRICS | {key: {} for key in curves if key != LAST}, curves, **options)
        (whole,) = study.ledger.logs
        return whole, [entries[f"last.pass_{place}.train_loss"] for place in range(41)]

    enter.printed = printed
    return enter


def drift(log):
    """A log that keeps its digits for five passes, and then moves away from them."""
    return log + np.where(np.arange(41) > 5, 0.02 * np.random.default_rng(1).standard_normal(41), 0)


def test_a_log_has_one_verdict_and_each_of_its_numbers_has_a_row(with_log):
    whole, rows = with_log(drift(with_log.printed))
    assert (whole.verdict, whole.cause, whole.power) == ("reproduced", "chaotic growth of rounding", 1)
    assert whole.numbers == 41
    assert whole.verdicts == {
        "exact": sum(row.verdict == "exact" for row in rows),
        "reproduced": whole.verdicts["reproduced"],
    }
    assert "the same digits up to pass 5" in whole.note
    assert [row.cause for row in rows[:6]] == ["same digits"] * 6
    last = rows[40]
    assert (last.verdict, last.cause, last.log) == ("reproduced", "chaotic growth of rounding", "last")
    assert last.published == f"{with_log.printed[40]:.3f}"
    assert last.claim == "log, pass 40: train loss"
    assert rows[0].rule == "exact"
    assert rows[1].rule == "follows"


def test_the_log_of_another_seed_and_a_shifted_one_do_not_follow(with_log):
    for log in (make_log(7), np.concatenate([with_log.printed[:1], np.roll(with_log.printed[1:], 3)])):
        whole, rows = with_log(log)
        assert whole.verdict == "not reproduced"
        assert {row.verdict for row in rows[1:]} <= {"not reproduced", "exact"}
        assert whole.cause == "unexplained"


def test_an_untrained_network_has_to_be_exact_however_the_log_follows(with_log):
    log = drift(with_log.printed)
    log[0] += 0.001
    whole, rows = with_log(log)
    assert (whole.verdict, rows[0].verdict) == ("reproduced", "not reproduced")
    assert "other digits from the start" in whole.note


def test_without_logs_of_other_seeds_it_is_not_told_whether_a_log_follows(with_log):
    whole, rows = with_log(drift(with_log.printed), others=())
    assert (whole.verdict, {row.verdict for row in rows}) == ("not run", {"exact", "not run"})


def test_a_log_that_ran_with_other_settings_is_not_compared(with_log, study):
    study.figures = study.figures.replace('other-*"], settings: {epochs: 2}', 'other-*"], settings: {epochs: 3}')
    whole, rows = with_log(drift(with_log.printed))
    assert {whole.verdict, *(row.verdict for row in rows)} == {"not run"}
    assert whole.note == "other settings than published: last: epochs 2 instead of 3"


def test_each_number_of_a_log_may_be_held_against_a_bound(with_log, study):
    study.figures = study.figures.replace(
        "rule: follows, measure: train_loss,", "rule: rounding, bound: 0.002, why: w,"
    )
    log = with_log.printed + 0.001
    log[3] += 0.01
    whole, rows = with_log(log)
    assert [row.verdict for row in rows] == ["reproduced"] * 3 + ["not reproduced"] + ["reproduced"] * 37
    assert whole.verdict == "not reproduced"
    assert all(row.power > 0.9 for row in rows if row.verdict == "reproduced")


# Cells that are not done ---------------------------------------------------------------------------


def test_a_cell_that_ran_with_other_parameters_than_the_plan_is_stale(study):
    study()
    finish_cell(study.root / LAST, {"epochs": 5})
    entry = study(metrics={})["last.accuracy"]
    assert (entry.verdict, entry.reproduced) == ("not run", None)
    assert entry.note == "the cell is stale: other settings, code or data"


def test_missing_and_failed_cells_are_not_run(study):
    some = {key: metrics for key, metrics in METRICS.items() if key != LAST}
    assert study(metrics=some)["last.accuracy"].note == "the cell has not run"
    log = study.root / "logs/made/published/last.ipynb"
    log.parent.mkdir(parents=True)
    log.write_text("{}")
    entry = study(metrics=some)["last.accuracy"]
    assert (entry.note, entry.notebook) == ("the cell failed", "logs/made/published/last.ipynb")


# The corrected protocol ----------------------------------------------------------------------------


def test_corrected_runs_stand_beside_a_figure_and_do_not_touch_its_verdict(study):
    entry = study(CELLS | CORRECTED, METRICS | CORRECTED_METRICS)["last.accuracy"]
    assert (entry.verdict, entry.reproduced) == ("reproduced", 0.65)
    # Mean 0.62, s = 0.02, t = 4.3027 with two degrees of freedom: ±t·s/√3.
    half = 4.302652729911275 * 0.02 / 3**0.5
    assert (entry.corrected_n, entry.corrected_missing, entry.corrected_mean) == (3, 0, pytest.approx(0.62))
    assert (entry.corrected_low, entry.corrected_high) == pytest.approx((0.62 - half, 0.62 + half))
    shutil.rmtree(study.root / SEEDED[1])
    entry = study(CELLS | CORRECTED, {})["last.accuracy"]
    assert (entry.corrected_n, entry.corrected_missing, entry.corrected_low) == (2, 1, None)
    assert study()["last.accuracy"].corrected_n is None


def test_a_figure_may_be_judged_by_the_corrected_protocol(study):
    entry = study(CELLS | CORRECTED, METRICS | CORRECTED_METRICS)["spread.passes"]
    assert (entry.verdict, entry.reproduced, entry.cells) == ("compatible", [30, 34, 32], SEEDED)
    assert entry.notebook == "made/corrected/seeded-0/notebook.ipynb"
    shutil.rmtree(study.root / SEEDED[1])
    entry = study(CELLS | CORRECTED, {})["spread.passes"]
    assert (entry.verdict, entry.note, entry.reproduced) == ("not run", "the cell has not run", None)


# The files -----------------------------------------------------------------------------------------


def test_files_and_check(study, capsys):
    entries = list(study().values())
    root = study.root
    erratum = Erratum(7, "made", "C", "title", "claim", "evidence", "right", "confirmed", (LAST,))
    save_ledger(study.ledger, [erratum], root, comparisons=[{"name": "a − b"}])
    assert json.loads((root / "ledger.json").read_text())["comparisons"] == [{"name": "a − b"}]
    assert load_ledger(root / "ledger.json") == entries
    assert json.loads((root / "ledger.json").read_text())["errata"][0]["evidence"] == "evidence"
    with (root / "errata.csv").open(newline="") as file:
        assert [row["claim"] for row in csv.DictReader(file)] == ["claim"]
    with (root / "ledger.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in dataclasses.fields(Entry)]
    assert [row["id"] for row in rows] == [entry.id for entry in entries]
    assert [row["published"] for row in rows] == [entry.published for entry in entries]
    assert count_verdicts(entries) == dict(zip(VERDICTS, [2, 1, 0, 0, 3], strict=True))
    assert main([str(root / "ledger.json")]) == 1
    counts, causes, *wrong = capsys.readouterr().out.splitlines()
    assert counts == "2 exact, 1 reproduced, 0 compatible, 0 not reproduced, 3 not run"
    assert causes == "causes: 2 same digits, 1 rounding, 3 not compared"
    assert wrong == [
        "last.unmeasured (C): published 0.6, reproduced None: not run (no cell measures it)",
        "absent.accuracy (C): published 0.6, reproduced None: not run (not part of this study)",
    ]
    save_ledger(Ledger(entries[:1], [], []), [], root)
    assert main([str(root / "ledger.json")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


NO_LEDGERS = {
    "empty": b"",
    "cut short": b'{"figures": [',
    "no text": b"\xff",
    "a number": b"3",
    "a list": b"[]",
    "no figures": b"{}",
    "figures that are a number": b'{"figures": 3}',
    "a figure that is a number": b'{"figures": [3]}',
    "a figure without its fields": b'{"figures": [{"id": "x.y"}]}',
}


@pytest.mark.parametrize("content", NO_LEDGERS.values(), ids=NO_LEDGERS)
def test_a_file_that_is_no_ledger_is_said_to_be_none(tmp_path, capsys, content):
    ledger = tmp_path / "ledger.json"
    ledger.write_bytes(content)
    assert main([str(ledger)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"gradlab: {ledger} is not a ledger .*; `make report` writes it\n", printed.err)


def test_a_ledger_that_cannot_be_read_is_named_with_the_reason(tmp_path, capsys):
    for path, reason in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        assert main([str(path)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == f"gradlab: the ledger {path} cannot be read: {reason}; `make report` writes it\n"


def test_the_usage_names_a_command_that_runs(study, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    command = re.search(r"usage: (gradlab \S+) ", capsys.readouterr().out)[1].split()
    exact = [entry for entry in study().values() if entry.verdict == "exact"]
    save_ledger(Ledger(exact, [], []), [], study.root)
    ran = subprocess.run(
        [sys.executable, "-m", *command, study.root / "ledger.json"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.partition(",")[0] == "2 exact"
