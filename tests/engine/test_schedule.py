"""Which cells start first, and the time left: by hand, and against a plain search of all chains."""

import json
import os
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import make_cell

from gradlab.engine.schedule import Schedule
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


def print_time_left(cells, seconds, unfinished, cores):
    """What is said where cells took these times before."""
    schedule = Schedule(cells, NOWHERE)
    schedule.known = seconds
    return schedule.print_time_left(unfinished, cores)


@pytest.mark.parametrize(
    ("unfinished", "cores", "said"),
    [
        ("abc", 1, " (about 25 min left)"),
        ("abc", 2, " (about 15 min left)"),  # b, then c
        ("abc", 100, " (about 15 min left)"),
        ("ac", 2, " (about 10 min left)"),
        ("", 2, ""),
    ],
)
def test_times_are_shared_among_the_cores_but_a_chain_is_not(unfinished, cores, said):
    seconds = {A: 600.0, B: 300.0, C: 600.0}
    assert print_time_left(CELLS, seconds, [f"s/published/{cell}" for cell in unfinished], cores) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (49, " (under a minute left)"),
        (50, " (about 1 min left)"),
        (5990, " (about 100 min left)"),
        (9e3, " (about 2.5 h left)"),
    ],
)
def test_times_in_words(seconds, said):
    assert print_time_left(plan(make_cell(A, {})), {A: seconds}, [A], 1) == said


def test_nothing_is_said_of_a_time_that_no_run_has_shown():
    assert print_time_left(CELLS, {A: 600.0, B: 300.0}, KEYS, 1) == ""
