import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise

import pandas as pd
import pytest
from gradlab.report.errata import Erratum
from hypothesis import given
from hypothesis import strategies as st
from made_cells import finish_cell

from gradlab.engine.figures import Figure
from gradlab.engine.ledger import (
    VERDICTS,
    Entry,
    build_ledger,
    count_verdicts,
    differing_settings,
    judge,
    load_ledger,
    main,
    print_like,
    save_ledger,
)
from gradlab.engine.results import load_results
from gradlab.lab.stats import summarise_arm


def figure(value, rule, limit=None, **rest):
    return Figure(id="x.y", study="s", source="F 1", value=value, rule=rule, limit=limit, **rest)


@pytest.mark.parametrize(
    "value, published, printed",
    [
        (0.518, "0.518", "0.518"),
        (0.5184, "0.518", "0.518"),
        (0.5186, "0.518", "0.519"),
        (0.518, "0.5180", "0.5180"),
        (0.007196856730011514, "0.007196856730011514", "0.007196856730011514"),
        (0.007196856730011515, "0.007196856730011514", "0.007196856730011515"),
        (-1e-9, "0.00", "-0.00"),
        (-1728.0, "-1728", "-1728"),
        (1, "1", "1"),
        (1e-06, "0.000001", "0.000001"),
        (2.4896663946608e-09, "2.5e-09", "2.5e-09"),
        (float("nan"), "0.5", "nan"),
        (float("inf"), "0.5e-09", "inf"),
    ],
)
def test_prints_with_the_published_digits(value, published, printed):
    assert print_like(value, published) == printed


@pytest.mark.parametrize(
    "published, rule, limit, reproduced, verdict",
    [
        ("0.518", "exact", None, 0.518, "exact"),
        ("0.518", "exact", None, 0.5174, "outside"),
        ("0", "exact", None, -0.0, "exact"),
        ("1", "exact", None, 1.0, "exact"),
        ("0.500", "within", "0.015", 0.515, "within"),
        ("0.500", "within", "0.015", 0.485, "within"),
        ("0.500", "within", "0.015", 0.5150001, "outside"),
        ("2e-09", "below", "1.0e-8", 9.9e-9, "within"),
        ("2e-09", "below", "1.0e-8", 1e-8, "outside"),
        ("0.831", "erratum", "0.02", 0.82, "erratum"),
        ("0.831", "erratum", "0.02", 0.80, "outside"),
        ("0.5", "exact", None, None, "not run"),
        ("0.5", "within", "0.1", float("nan"), "outside"),
        ("0.5", "below", "1", float("inf"), "outside"),
    ],
)
def test_verdicts(published, rule, limit, reproduced, verdict):
    assert judge(figure(published, rule, limit), reproduced).verdict == verdict


@given(
    runs=st.lists(st.floats(0, 1), min_size=2, max_size=6),
    published=st.decimals(0, 1, places=3).map(str),
)
def test_interval_rule_is_the_prediction_interval_of_the_seeds(runs, published):
    found = judge(figure(published, "interval"), runs)
    low, high = summarise_arm(runs).prediction_interval
    assert (found.low, found.high) == (low, high)
    assert found.verdict == ("inside interval" if low <= float(published) <= high else "outside")
    assert found.difference == pytest.approx(sum(runs) / len(runs) - float(published), abs=1e-12)
    assert found.note == f"95 % prediction interval, n = {len(runs)}"


@pytest.mark.parametrize(
    "published, rule, limit, reproduced, difference, note",
    [
        ("0.518", "exact", None, 0.5183, 0.0003, ""),
        ("0.518", "exact", None, 0.516, -0.002, "digits differ"),
        ("0.500", "within", "0.015", 0.51, 0.01, "tolerance 0.015"),
        ("0.500", "within", "0.015", 0.4, -0.1, "tolerance 0.015"),
        ("0.831", "erratum", "0.02", 0.84, 0.009, "tolerance 0.02"),
        ("2e-09", "below", "1.0e-8", 3e-9, 1e-9, "bound 1.0e-8"),
        ("2e-09", "below", "1.0e-8", 1e-7, 9.8e-8, "bound 1.0e-8"),
    ],
)
def test_a_verdict_comes_with_the_difference_and_what_was_allowed(published, rule, limit, reproduced, difference, note):
    found = judge(figure(published, rule, limit), reproduced)
    assert (found.difference, found.note) == (pytest.approx(difference, rel=1e-12), note)
    assert (found.low, found.high) == (None, None)


def test_a_search_is_as_wide_as_its_bracket():
    # Three seeds with the same smallest divergent rate: the threshold lies between 0.02 / 1.05 and 0.02.
    runs = [0.02, 0.02, 0.02]
    assert judge(figure("0.0195", "interval"), runs).verdict == "outside"
    found = judge(figure("0.0195", "interval"), runs, resolution=0.05)
    assert found.verdict == "inside interval"
    assert (found.low, found.high) == (0.02 / 1.05, 0.02)
    assert found.note == "95 % prediction interval, n = 3, brackets of 5 %"
    assert judge(figure("0.0190", "interval"), runs, resolution=0.05).verdict == "outside"


@pytest.mark.parametrize(
    "runs, note",
    [
        ([0.5], "no interval: one run shows no spread; our mean is 0.5, n = 1"),
        (0.5, "no interval: one run shows no spread; our mean is 0.5, n = 1"),
        ([None, None], "no interval: 2 of 2 runs have no value"),
        ([0.5, 0.6, None], "no interval: 1 of 3 runs have no value; our mean is 0.55, n = 2"),
    ],
)
def test_an_interval_that_cannot_be_computed_is_no_verdict_and_says_what_there_is(runs, note):
    found = judge(figure("0.5", "interval"), runs)
    assert (found.verdict, found.difference, found.note) == ("not run", None, note)


SEEDED = {f"s/corrected/seeded-{seed}": {"seed": seed} for seed in (0, 1, 2)}


@pytest.fixture
def study(tmp_path):
    """A function that writes a small study, some cells of which use others' results, and returns its ledger by id.

    Tests add to its `figures` (YAML), to its `metrics` and `curves` by cell, and to its `cells`.
    """
    published = tmp_path / "published"
    published.mkdir()
    figures = """
s:
  - {id: grid-0.accuracy, source: C, value: "0.50", rule: exact}
  - {id: grid.best, source: C, value: "0.1", rule: exact}
  - {id: last.accuracy, source: C, value: "0.6", rule: within, tolerance: 0.1, why: drift}
  - {id: last.unmeasured, source: C, value: "0.6", rule: exact}
  - {id: absent.accuracy, source: C, value: "0.6", rule: exact}
  - {id: spread.passes, source: C, value: "31", rule: interval}
"""
    (published / "claims.yaml").write_text('s: {"grid-*": "point {number}", "*.accuracy": "accuracy of {cell}"}')
    (published / "settings.yaml").write_text('s: {"grid-*": {epochs: 8}, "last.*": {epochs: 2}}')
    (published / "corrected.yaml").write_text(
        """
beside: {s: {"last.*": seeded-*, "grid.best": "{cell}"}}
judged_by: {s: {"spread.*": seeded-*, "search.*": search}}
"""
    )
    root = tmp_path / "results"
    cells = {
        "s/published/grid-0": {"epochs": 8},
        "s/published/grid": {"runs": [str(root / "s/published/grid-0/metrics.json")]},
        "s/published/last": {"epochs": 2, "search": str(root / "s/published/grid/metrics.json")},
    }
    metrics = {
        "s/published/grid-0": {"grid-0.accuracy": 0.5},
        "s/published/grid": {"grid.best": 0.1},
        "s/published/last": {"last.accuracy": 0.65},
        **{
            f"s/corrected/seeded-{seed}": {"last.accuracy": accuracy, "spread.passes": passes}
            for seed, accuracy, passes in [(0, 0.60, 30), (1, 0.62, 34), (2, 0.64, 32)]
        },
    }

    def write(cells=cells, ran_with=cells):
        root.mkdir(exist_ok=True)
        (published / "figures.yaml").write_text(write.figures)
        (root / "plan.json").write_text(json.dumps({"cells": cells}))
        for name, parameters in ran_with.items():
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(json.dumps(write.metrics[name]))
            if name in write.curves:
                table = pd.DataFrame(write.curves[name], columns=["pass", "split", "metric", "value"])
                table.to_csv(folder / "curves.csv", index=False)
            (folder / "notebook.ipynb").write_text("{}")
            finish_cell(folder, parameters)
        return {entry.id: entry for entry in build_ledger(load_results(root / "plan.json"), published, root=root)}

    write.cells, write.root, write.published = cells, root, published
    write.figures, write.metrics, write.curves = figures, metrics, {}
    return write


def test_ledger_of_a_complete_study(study):
    entries = study()
    assert {name: entry.verdict for name, entry in entries.items()} == {
        "grid-0.accuracy": "exact",
        "grid.best": "exact",
        "last.accuracy": "within",
        "last.unmeasured": "not run",
        "absent.accuracy": "not run",
        "spread.passes": "not run",
    }
    assert entries["last.accuracy"].difference == pytest.approx(0.05)
    assert entries["last.accuracy"].notebook == "s/published/last/notebook.ipynb"
    assert entries["absent.accuracy"].note == "not part of this study"
    assert entries["grid-0.accuracy"].claim == "point 0"
    assert entries["last.accuracy"].claim == "accuracy of last"
    assert entries["grid.best"].claim == "grid.best"


def test_other_settings_than_published_are_not_compared_nor_is_what_uses_them(study):
    cells = {**study.cells, "s/published/grid-0": {"epochs": 1}}
    entries = study(cells, cells)
    for name in ("grid-0.accuracy", "grid.best", "last.accuracy"):
        assert entries[name].verdict == "not run"
        assert entries[name].note == "other settings than published: grid-0: epochs 1 instead of 8"


def test_other_settings_are_counted_along_the_chain_and_the_nearest_is_named(study):
    cells = {**study.cells, "s/published/grid-0": {"epochs": 1}}
    cells["s/published/last"] = {**cells["s/published/last"], "epochs": 3}
    note = study(cells, cells)["last.accuracy"].note
    assert note == "other settings than published: last: epochs 3 instead of 2; and 1 more"
    cells["s/published/grid-1"] = {"epochs": 2}
    cells["s/published/grid"] = {"runs": [str(study.root / f"s/published/grid-{n}/metrics.json") for n in (0, 1)]}
    study.metrics["s/published/grid-1"] = {}
    assert study(cells, cells)["last.accuracy"].note.endswith("; and 2 more")


def test_settings_are_looked_up_once_for_a_cell_however_many_ways_lead_to_it(make_material):
    # Ten rounds of ten cells, each of which reads all of the round before: 10^10 ways lead from the last to the first.
    rounds = [[f"a/published/{round_}-{n}" for n in range(10)] for round_ in range(10)]
    runs = {
        name: [f"{before}/metrics.json" for before in former] for former, latter in pairwise(rounds) for name in latter
    }
    names = [name for names in rounds for name in names]
    results = make_material({name: ({"epochs": 1, "runs": runs.get(name, [])}, {}) for name in names}).results
    last, settings = results["a/published/9-0"], {"a": {"0-3.*": {"epochs": 8}, "9-0.*": {"epochs": 2}}}
    assert differing_settings("9-0.x", last, results, settings) == [
        "9-0: epochs 1 instead of 2",
        "0-3: epochs 1 instead of 8",
    ]


def test_a_study_without_published_settings_is_compared_as_it_is(study):
    study.figures += 't: [{id: free.accuracy, source: F, value: "0.5", rule: exact}]'
    study.metrics["t/published/free"] = {"free.accuracy": 0.5}
    cells = study.cells | {"t/published/free": {"epochs": 99}}
    entry = study(cells, cells)["free.accuracy"]
    assert (entry.study, entry.verdict) == ("t", "exact")


def test_an_entry_carries_its_figure(study):
    study.figures += (
        "  - {id: last.error, source: C 3, shown: '0.9', value: '0.6', rule: erratum, tolerance: 0.1, why: misprint}"
    )
    study.metrics["s/published/last"]["last.error"] = 0.55
    entry = study()["last.error"]
    assert (entry.study, entry.source, entry.rule, entry.limit) == ("s", "C 3", "erratum", "0.1")
    assert (entry.published, entry.shown, entry.why) == ("0.6", "0.9", "misprint")
    assert (entry.reproduced, entry.verdict, entry.cells) == (0.55, "erratum", ["s/published/last"])


def test_what_no_cell_measures_is_told_from_what_a_run_did_not_give(study):
    study.figures += """
  - {id: last.reached, source: C, value: "3", rule: exact}
  - {id: spread.unmeasured, source: C, value: "3", rule: interval}
"""
    study.metrics["s/published/last"]["last.reached"] = None
    cells = study.cells | SEEDED
    entries = study(cells, cells)
    assert entries["last.unmeasured"].note == "no cell measures it"
    assert entries["last.reached"].note == "the run did not give this figure"
    assert entries["spread.unmeasured"].note == "no cell measures it"
    assert {entries[name].reproduced for name in ("last.unmeasured", "last.reached", "spread.unmeasured")} == {None}


@pytest.fixture
def with_curves(study):
    """The study with figures that are points of a curve, and metrics whose names look like one."""
    study.figures += """
  - {id: last.pass_2.test_loss, source: C, value: "0.71", rule: exact}
  - {id: last.pass_9.test_loss, source: C, value: "0.71", rule: exact}
  - {id: last.pass_2, source: C, value: "5", rule: exact}
  - {id: last.best.test_loss, source: C, value: "6", rule: exact}
"""
    # The point that is asked for comes last, after neighbours that differ from it in one column only.
    study.curves["s/published/last"] = [
        (1, "test", "loss", 0.1),
        (2, "train", "loss", 0.2),
        (2, "test", "accuracy", 0.3),
        (2, "test", "loss", 0.7123),
    ]
    study.metrics["s/published/last"] |= {"last.pass_2": 5, "last.best.test_loss": 6}
    return study


def test_a_figure_of_a_pass_is_a_point_of_the_curves(with_curves):
    entries = with_curves()
    entry = entries["last.pass_2.test_loss"]
    assert (entry.verdict, entry.reproduced) == ("exact", 0.7123)
    assert entry.difference == pytest.approx(0.0023)
    absent = entries["last.pass_9.test_loss"]
    assert (absent.verdict, absent.reproduced, absent.note) == ("not run", None, "no cell measures it")
    assert [entries[name].reproduced for name in ("last.pass_2", "last.best.test_loss")] == [5, 6]


def test_a_figure_of_a_pass_needs_its_cell(with_curves):
    some = {name: cell for name, cell in with_curves.cells.items() if not name.endswith("last")}
    assert with_curves(ran_with=some)["last.pass_2.test_loss"].note == "the cell has not run"
    assert with_curves(some, some)["last.pass_2.test_loss"].note == "not part of this study"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_curve_that_diverged_is_outside_and_can_be_saved(with_curves, value):
    with_curves.curves["s/published/last"] = [(2, "test", "loss", value)]
    entries = with_curves()
    entry = entries["last.pass_2.test_loss"]
    assert (entry.verdict, entry.reproduced, entry.note) == ("outside", None, f"reproduced as {value}")
    save_ledger(list(entries.values()), [], with_curves.root)
    assert load_ledger(with_curves.root / "ledger.json") == list(entries.values())


@pytest.mark.parametrize("tolerance, verdict", [({"tolerance": 0.05}, "inside interval"), ({}, "outside")])
def test_the_interval_of_a_search_is_widened_by_the_tolerance_that_it_ran_with(study, tolerance, verdict):
    study.figures += '  - {id: search.rate, source: C, value: "0.0195", rule: interval}'
    study.metrics["s/corrected/search"] = {"search.rate": [0.02, 0.02, 0.02]}
    cells = study.cells | {"s/corrected/search": {"seeds": [0, 1, 2], **tolerance}}
    entry = study(cells, cells)["search.rate"]
    assert (entry.verdict, entry.high) == (verdict, 0.02)
    assert entry.low == pytest.approx(0.02 / (1 + tolerance.get("tolerance", 0)))


def test_a_cell_that_ran_with_other_parameters_than_the_plan_is_stale(study):
    entries = study(ran_with={**study.cells, "s/published/last": {"epochs": 5}})
    assert entries["last.accuracy"].verdict == "not run"
    assert entries["last.accuracy"].note.startswith("the cell is stale")
    assert entries["last.accuracy"].reproduced is None


def test_missing_and_failed_cells_are_not_run(study):
    some = {name: cell for name, cell in study.cells.items() if not name.endswith("last")}
    assert study(ran_with=some)["last.accuracy"].note == "the cell has not run"
    log = study.root / "logs/s/published/last.ipynb"
    log.parent.mkdir(parents=True)
    log.write_text("{}")
    entry = study(ran_with=some)["last.accuracy"]
    assert entry.note == "the cell failed"
    assert entry.notebook == "logs/s/published/last.ipynb"


def test_corrected_runs_stand_beside_a_figure_and_do_not_touch_its_verdict(study):
    cells = study.cells | SEEDED
    entry = study(cells, cells)["last.accuracy"]
    assert (entry.verdict, entry.reproduced) == ("within", 0.65)
    # Mean 0.62, s = 0.02, t = 4.3027 with two degrees of freedom: ±t·s/√3.
    half = 4.302652729911275 * 0.02 / 3**0.5
    assert (entry.corrected_n, entry.corrected_mean) == (3, pytest.approx(0.62))
    assert (entry.corrected_low, entry.corrected_high) == pytest.approx((0.62 - half, 0.62 + half))
    assert entry.corrected_missing == 0
    partly = {name: cell for name, cell in cells.items() if name != "s/corrected/seeded-1"}
    shutil.rmtree(study.root / "s/corrected/seeded-1")
    entry = study(cells, partly)["last.accuracy"]
    assert (entry.corrected_n, entry.corrected_missing, entry.corrected_low) == (2, 1, None)
    assert study()["last.accuracy"].corrected_n is None


def test_a_figure_with_one_published_run_is_judged_by_the_corrected_ones(study):
    cells = study.cells | SEEDED
    entry = study(cells, cells)["spread.passes"]
    assert (entry.verdict, entry.reproduced) == ("inside interval", [30, 34, 32])
    assert entry.cells == list(SEEDED)
    assert entry.notebook == "s/corrected/seeded-0/notebook.ipynb"
    partly = {name: cell for name, cell in cells.items() if name != "s/corrected/seeded-1"}
    shutil.rmtree(study.root / "s/corrected/seeded-1")
    entry = study(cells, partly)["spread.passes"]
    assert (entry.verdict, entry.note, entry.reproduced) == ("not run", "the cell has not run", None)


def test_files_and_check(study, capsys):
    entries = list(study().values())
    root = study.root
    erratum = Erratum(7, "s", "C", "title", "claim", "evidence", "right", "confirmed", ("s/published/last",))
    save_ledger(entries, [erratum], root)
    assert load_ledger(root / "ledger.json") == entries
    assert json.loads((root / "ledger.json").read_text())["errata"][0]["evidence"] == "evidence"
    with (root / "errata.csv").open(newline="") as file:
        assert [row["claim"] for row in csv.DictReader(file)] == ["claim"]
    with (root / "ledger.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in dataclasses.fields(Entry)]
    assert [row["id"] for row in rows] == [entry.id for entry in entries]
    assert [row["published"] for row in rows] == [entry.published for entry in entries]
    assert count_verdicts(entries) == dict(zip(VERDICTS, [2, 1, 0, 0, 0, 3], strict=True))
    assert main([str(root / "ledger.json")]) == 1
    counts, *wrong = capsys.readouterr().out.splitlines()
    assert counts == "2 exact, 1 within, 0 inside interval, 0 erratum, 0 outside, 3 not run"
    assert wrong == [
        "last.unmeasured (C): published 0.6, reproduced None: not run (no cell measures it)",
        "absent.accuracy (C): published 0.6, reproduced None: not run (not part of this study)",
    ]
    save_ledger(entries[:1], [], root)
    assert main([str(root / "ledger.json")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


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
    python, *command = re.search(r"usage: (python -m \S+) ", capsys.readouterr().out)[1].split()
    save_ledger([entry for entry in study().values() if entry.verdict == "exact"], [], study.root)
    ran = subprocess.run(
        [sys.executable, *command, study.root / "ledger.json"], capture_output=True, text=True, check=True
    )
    assert (python, ran.stdout.partition(",")[0]) == ("python", "2 exact")
