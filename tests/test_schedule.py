"""What cells will take, which of them start first, and the time left: by hand, and against a plain search of all chains."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.schedule import TimeLeft, expect_seconds, find_longest_waits, fingerprint, read_benchmark, write_measured

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write_benchmark(folder, name, seconds):
    file = folder / f"{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{HEADER}{seconds}\t0:00:12\t345.6\t1\t1\t1\t0\t0\t95.0\t11.5\n")


def make_table(tmp_path, *rows):
    file = tmp_path / "measured.csv"
    file.write_text("cell,parameters,seconds\n" + "".join(f"{cell},{digest},{time}\n" for cell, digest, time in rows))
    return file


def test_a_benchmark_is_read(tmp_path):
    write_benchmark(tmp_path, "a/b/c", 12.25)
    assert read_benchmark(tmp_path / "a/b/c.tsv") == {"s": 12.25, "max_rss": 345.6, "cpu_time": 11.5}


@pytest.mark.parametrize(
    "text", ["", HEADER, "s\n12\n", HEADER + "12\n", HEADER.replace("s", "x") + "1\t" * 10, "\x00"]
)
def test_a_benchmark_that_was_not_finished_is_none(tmp_path, text):
    (tmp_path / "c.tsv").write_text(text)
    assert read_benchmark(tmp_path / "c.tsv") is None


def test_a_benchmark_of_a_cell_that_ended_too_soon_to_be_measured_is_none(tmp_path):
    (tmp_path / "c.tsv").write_text(HEADER + "\t".join(["0.1", "0:00:00", *["NA"] * 8]) + "\n")
    assert read_benchmark(tmp_path / "c.tsv") is None


def test_a_fingerprint_is_that_of_what_takes_time():
    parameters = {"passes": 3, "data": "results/data", "search": "x/metrics.json"}
    assert fingerprint(parameters) == fingerprint({"data": "elsewhere", "passes": 3})
    assert fingerprint(parameters) != fingerprint({**parameters, "passes": 4})


def test_expected_is_the_last_run_then_the_same_cell_then_the_longest_of_its_kind(tmp_path):
    cells = {
        "s/published/ran-0": {"passes": 1},
        "s/published/same-0": {"passes": 1, "data": "d"},
        "s/published/same-7": {"passes": 1},
        "s/published/other-0": {"passes": 9},
        "s/published/unknown": {},
    }
    write_benchmark(tmp_path, "s/published/ran-0", 5.5)
    measured = make_table(
        tmp_path,
        ("s/published/ran-0", fingerprint({"passes": 1}), 100),
        ("s/published/same-0", fingerprint({"passes": 1}), 20),
        ("s/published/other-0", fingerprint({"passes": 2}), 30),
        ("s/published/other-1", fingerprint({"passes": 3}), 40),
    )
    assert list(expect_seconds(cells, tmp_path, measured).values()) == [5.5, 20, 20, 40, 100]


def test_without_any_earlier_run_all_cells_are_alike(tmp_path):
    assert set(expect_seconds({"a/b/c": {}, "a/b/d": {}}, tmp_path, make_table(tmp_path)).values()) == {60.0}


def test_what_was_measured_is_what_is_expected_elsewhere(tmp_path):
    cells = {"s/published/a": {"passes": 1, "data": "d"}, "s/published/b": {"passes": 2}, "s/published/missing": {}}
    (tmp_path / "plan.json").write_text(json.dumps({"cells": cells}))
    write_benchmark(tmp_path / "benchmarks", "s/published/a", 12.25)
    write_benchmark(tmp_path / "benchmarks", "s/published/b", 7)
    table = io.StringIO()
    write_measured([tmp_path / "plan.json"], table)
    rows = list(csv.DictReader(io.StringIO(table.getvalue())))
    assert [row["cell"] for row in rows] == ["s/published/a", "s/published/b"]
    assert rows[0]["memory"] == "362"  # 345.6 MiB
    (tmp_path / "measured.csv").write_text(table.getvalue())
    expected = expect_seconds(cells, tmp_path / "elsewhere", tmp_path / "measured.csv")
    assert expected == {"s/published/a": 12.2, "s/published/b": 7, "s/published/missing": 12.2}


@given(st.lists(st.tuples(st.integers(1, 100), st.sets(st.integers(0, 6)), st.booleans()), min_size=1, max_size=7))
def test_longest_waits_against_a_search_of_all_chains(drawn):
    names = [f"s/published/{number}" for number in range(len(drawn))]
    cells, seconds, before = {}, {}, {}
    for number, (name, (time, earlier, search)) in enumerate(zip(names, drawn, strict=True)):
        before[name] = [names[other] for other in sorted(earlier) if other < number]
        metrics = [f"results/{other}/metrics.json" for other in before[name]]
        by_search = (
            {"search": metrics[0], "runs": metrics[1:]} if search and metrics else {"search": None, "runs": metrics}
        )
        cells[name], seconds[name] = by_search, time

    def chains(name):
        """Every chain that ends with a cell."""
        return [[name], *([*chain, name] for other in before[name] for chain in chains(other))]

    longest = dict.fromkeys(names, 0)
    for chain in [chain for name in names for chain in chains(name)]:
        longest[chain[0]] = max(longest[chain[0]], sum(seconds[name] for name in chain))
    assert find_longest_waits(cells, seconds) == longest


@pytest.fixture
def run():
    """A run of four cells on two cores, with a clock that is set by hand."""

    class Run:
        now = 0.0

        def start(self, cores=2):
            seconds = {"a": 600.0, "b": 300.0, "c": 200.0, "d": 100.0, "not planned": 9999.0}
            return TimeLeft(
                seconds=lambda: seconds,
                waits=lambda: seconds,
                planned=lambda: ["a", "b", "c", "d"],
                finished=lambda: list(self.took),
                took=self.took.get,
                cores=lambda: cores,
                clock=lambda: self.now,
            )

    run = Run()
    run.took = {}
    return run


def test_at_first_the_expected_times_are_shared_among_the_cores(run):
    assert str(run.start(cores=2)) == "about 10 min left"  # 1,200 s on two cores
    assert str(run.start(cores=1)) == "about 20 min left"
    assert str(run.start(cores=100)) == "about 10 min left"  # the longest cell


def test_time_passes(run):
    left = run.start()
    assert str(left) == "about 10 min left"
    run.now = 240.0
    assert str(left) == "about 6 min left"
    run.now = 590.0
    assert str(left) == "under a minute left"
    run.now = 6000.0
    assert str(left) == "under a minute left"


def test_cells_that_are_done_set_the_pace(run):
    left = run.start()
    str(left)
    run.now = 120.0
    run.took.update(c=100.0, d=50.0)
    assert str(left) == "about 3 min left"  # at half of what was expected, 300 s in all


def test_a_cell_whose_time_is_not_known_sets_no_pace(run):
    left = run.start()
    str(left)
    run.now, run.took["c"] = 120.0, None
    assert str(left) == "about 8 min left"


def test_many_questions_at_once_are_answered_once(run):
    left = run.start()
    asked = []
    left._planned = lambda: asked.append(1) or ["a"]
    for _ in range(1000):
        str(left)
    assert len(asked) == 1
