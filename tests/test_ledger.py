import csv
import json
import shutil
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import finish_cell

from gradlab.errata import Erratum
from gradlab.ledger import VERDICTS, build_ledger, count_verdicts, judge, load_ledger, main, print_like, save_ledger
from gradlab.published import Figure
from gradlab.results import load_results
from gradlab.stats import summarise_arm


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
        (-0.0, "0", "0"),
        (-1e-9, "0.00", "0.00"),
        (-1728.0, "-1728", "-1728"),
        (1, "1", "1"),
        (1e-06, "0.000001", "0.000001"),
        (float("nan"), "0.5", "NaN"),
        (float("inf"), "0.5", "Infinity"),
    ],
)
def test_prints_with_the_published_digits(value, published, printed):
    assert print_like(value, published) == printed


@given(value=st.floats(-1e6, 1e6), digits=st.integers(0, 12))
def test_prints_as_python_does(value, digits):
    published = f"{0.0:.{digits}f}"
    expected = f"{value:.{digits}f}"
    assert print_like(value, published) == (expected.lstrip("-") if float(expected) == 0 else expected)


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
    assert f"n = {len(runs)}" in found.note


def test_a_search_is_as_wide_as_its_bracket():
    # Three seeds with the same smallest divergent rate: the threshold lies between 0.02 / 1.05 and 0.02.
    runs = [0.02, 0.02, 0.02]
    assert judge(figure("0.0195", "interval"), runs).verdict == "outside"
    found = judge(figure("0.0195", "interval"), runs, resolution=0.05)
    assert found.verdict == "inside interval"
    assert (found.low, found.high) == (0.02 / 1.05, 0.02)
    assert "n = 3, brackets of 5 %" in found.note
    assert judge(figure("0.0190", "interval"), runs, resolution=0.05).verdict == "outside"


@pytest.mark.parametrize("runs", [[0.5], 0.5, [None, None], [0.5, 0.6, None]])
def test_an_interval_that_cannot_be_computed_is_no_verdict(runs):
    found = judge(figure("0.5", "interval"), runs)
    assert (found.verdict, found.difference) == ("not run", None)
    assert "no interval" in found.note


@given(value=st.floats(-10, 10), digits=st.integers(0, 6))
def test_a_value_is_exact_against_its_own_printed_text(value, digits):
    published = f"{Decimal(value):.{digits}f}"
    text = published.replace("-0", "0") if float(published) == 0 else published
    assert judge(figure(text, "exact"), value).verdict == "exact"


@pytest.fixture
def study(tmp_path):
    """A small study: published figures of two cells, one of which uses the other's result, and their results."""
    published = tmp_path / "published"
    published.mkdir()
    (published / "figures.yaml").write_text(
        """
s:
  - {id: grid-0.accuracy, source: C, value: "0.50", rule: exact}
  - {id: grid.best, source: C, value: "0.1", rule: exact}
  - {id: last.accuracy, source: C, value: "0.6", rule: within, tolerance: 0.1, why: drift}
  - {id: last.unmeasured, source: C, value: "0.6", rule: exact}
  - {id: absent.accuracy, source: C, value: "0.6", rule: exact}
  - {id: spread.passes, source: C, value: "31", rule: interval}
"""
    )
    (published / "claims.yaml").write_text('s: {"grid-*": "point {number}", "*.accuracy": "accuracy of {cell}"}')
    (published / "settings.yaml").write_text('s: {"grid-*": {epochs: 8}, "last.*": {epochs: 2}}')
    (published / "corrected.yaml").write_text(
        """
beside: {s: {"last.*": seeded-*, "grid.best": "{cell}"}}
judged_by: {s: {"spread.*": seeded-*}}
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
        (root / "plan.json").write_text(json.dumps({"cells": cells}))
        for name, parameters in ran_with.items():
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(json.dumps(metrics[name]))
            (folder / "notebook.ipynb").write_text("{}")
            finish_cell(folder, parameters)
        return {entry.id: entry for entry in build_ledger(load_results(root / "plan.json"), published, root=root)}

    write.cells, write.root, write.published = cells, root, published
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


SEEDED = {f"s/corrected/seeded-{seed}": {"seed": seed} for seed in (0, 1, 2)}


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
    assert [row["id"] for row in rows] == [entry.id for entry in entries]
    assert [row["published"] for row in rows] == [entry.published for entry in entries]
    assert count_verdicts(entries) == dict(zip(VERDICTS, [2, 1, 0, 0, 0, 3], strict=True))
    assert main([str(root / "ledger.json")]) == 1
    assert "absent.accuracy (C): published 0.6" in capsys.readouterr().out
    save_ledger(entries[:1], [], root)
    assert main([str(root / "ledger.json")]) == 0
