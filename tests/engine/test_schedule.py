"""Which cells start first, and the time left: by hand, and against a plain search of all chains."""

import json
import os
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import make_cell

from gradlab.engine.schedule import Schedule, print_time
from gradlab.engine.study import Resources, cell_as_json

MACHINE = {"cpu": "some", "cores": os.cpu_count(), "system": platform.platform(), "threads": 1}
NOWHERE = Path("nowhere")


def plan(*cells):
    return {cell.key: {**cell_as_json(cell), "given": {"passes": 1}} for cell in cells}


def write_manifest(results, name, **changes):
    manifest = {"parameters": {"passes": 1, "output": "x"}, "machine": MACHINE, "wall_seconds": 12.5} | changes
    file = results / name / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest))
    return file


def test_a_cell_is_known_that_ran_on_this_machine_with_what_it_is_given(tmp_path):
    write_manifest(tmp_path, "s/published/ran")
    write_manifest(tmp_path, "s/published/other", parameters={"passes": 2, "output": "x"})
    write_manifest(tmp_path, "s/published/elsewhere", machine=MACHINE | {"system": "a node"})
    write_manifest(tmp_path, "s/published/fewer", machine=MACHINE | {"cores": 1000})
    keys = [f"s/published/{cell}" for cell in ("ran", "other", "elsewhere", "fewer", "never")]
    assert Schedule(plan(*(make_cell(key, {}) for key in keys)), tmp_path).known == {"s/published/ran": 12.5}


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"parameters": 1}', '{"parameters": {"passes": 1}}', "\0"])
def test_nothing_is_known_from_a_damaged_manifest(tmp_path, damage):
    write_manifest(tmp_path, "s/published/ran").write_text(damage)
    assert Schedule(plan(make_cell("s/published/ran", {})), tmp_path).known == {}


def test_expected_is_the_last_run_and_else_all_the_minutes_that_it_may_take(tmp_path):
    write_manifest(tmp_path, "s/published/ran")
    cells = [make_cell(f"s/published/{name}", {}, resources=Resources(minutes=3)) for name in ("ran", "never")]
    assert list(Schedule(plan(*cells), tmp_path).longest_waits.values()) == [12.5, 180.0]


@given(st.lists(st.tuples(st.integers(1, 100), st.sets(st.integers(0, 6)), st.booleans()), min_size=1, max_size=7))
def test_longest_waits_against_a_search_of_all_chains(drawn):
    keys = [f"s/published/{number}" for number in range(len(drawn))]
    cells, minutes, before = [], {}, {}
    for number, (key, (time, earlier, alone)) in enumerate(zip(keys, drawn, strict=True)):
        before[key] = [keys[other] for other in sorted(earlier) if other < number]
        one, *others = before[key] or [None]
        reads = {"one": one, "others": others} if alone and one else {"all": before[key]}
        cells.append(make_cell(key, {}, reads=reads, resources=Resources(minutes=time)))
        minutes[key] = time

    def chains(key):
        """Every chain that ends with a cell."""
        return [[key], *([*chain, key] for other in before[key] for chain in chains(other))]

    longest = dict.fromkeys(keys, 0)
    for chain in [chain for key in keys for chain in chains(key)]:
        longest[chain[0]] = max(longest[chain[0]], 60 * sum(minutes[key] for key in chain))
    assert Schedule(plan(*cells), NOWHERE).longest_waits == longest


A, B, C = KEYS = [f"s/published/{cell}" for cell in "abc"]
CELLS = plan(make_cell(A, {}), make_cell(B, {}), make_cell(C, {}, reads={"x": [B]}))


def estimate_left(seconds, unfinished, cores, cells=CELLS):
    """The seconds left where cells took these times before, and the unfinished ones have been running for some."""
    schedule = Schedule(cells, NOWHERE)
    schedule.known = seconds
    return schedule.estimate_left(unfinished, cores)


@pytest.mark.parametrize(
    ("unfinished", "cores", "minutes"),
    [
        ({A: 0, B: 0, C: 0}, 1, 25),
        ({A: 0, B: 0, C: 0}, 2, 15),  # b, then c
        ({A: 0, B: 0, C: 0}, 100, 15),
        ({A: 0, C: 0}, 2, 10),
        ({A: 60, C: 120}, 1, 17),
        ({A: 900}, 1, 0),  # longer than before
        ({}, 2, 0),
    ],
)
def test_times_are_shared_among_the_cores_but_a_chain_is_not(unfinished, cores, minutes):
    assert estimate_left({A: 600.0, B: 300.0, C: 600.0}, unfinished, cores) == 60 * minutes


def test_a_cell_that_never_ran_takes_as_much_of_its_minutes_as_the_others_took_of_theirs():
    minutes = {A: 10, B: 10, C: 40}
    cells = plan(*(make_cell(key, {}, resources=Resources(minutes=most)) for key, most in minutes.items()))
    assert estimate_left({A: 60.0, B: 240.0}, {C: 0}, 2, cells) == pytest.approx(40 * 60 * 300 / 1200 / 1)
    assert estimate_left({}, {C: 0}, 2, cells) is None


def test_a_cell_that_never_ran_is_like_those_of_its_notebook():
    cells = plan(
        make_cell(A, {}, notebook="long", resources=Resources(minutes=10)),
        make_cell(B, {}, notebook="short", resources=Resources(minutes=10)),
        make_cell(C, {}, notebook="short", resources=Resources(minutes=20)),
    )
    assert estimate_left({A: 600.0, B: 30.0}, {C: 0}, 2, cells) == 60


def test_a_cell_is_learned_when_it_is_done(tmp_path):
    schedule = Schedule(CELLS, tmp_path)
    schedule.learn(A)
    assert schedule.known == {}
    write_manifest(tmp_path, A)
    schedule.learn(A)
    assert schedule.known == {A: 12.5}


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.3, "under 1 s"),
        (0.95, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (90, "1.5 min"),
        (12 * 60, "12 min"),
        (59.4 * 60, "59 min"),
        (59.6 * 60, "1 h"),
        (4320, "1.2 h"),
        (90_000, "25 h"),
    ],
)
def test_times_have_two_digits(seconds, text):
    assert print_time(seconds) == text
