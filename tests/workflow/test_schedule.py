"""The order in which cells start, and the time left, from what they took before."""

import json
import re

import pytest
from workflow.conftest import replace_text
from workflow.test_tiny import CHOICE, STARTS

pytestmark = pytest.mark.workflow

TARGETS = [f"results/tiny/{cell}/metrics.json" for cell in (*sorted(STARTS), "tiny/corrected/search-2", CHOICE)]


def run(copy, *options):
    """The first line of the terminal, and the cells in the order in which they are done on one core, with the time left."""
    terminal = copy.snakemake(*TARGETS, "--cores", "1", *options).stdout
    (first,) = re.findall(r"^To run: (.*)$", terminal, re.MULTILINE)
    return first, re.findall(r"^\d of 5 cells: tiny/corrected/(\S+), .*?(?: \((.*) left\))?$", terminal, re.MULTILINE)


def test_at_first_cells_that_may_take_long_start_first_and_nothing_is_said_of_the_time_left(copy_tiny):
    said, done = run(copy_tiny())
    assert said == "5 cells"
    assert (done[0][0], done[-1]) == ("search-2", ("choice", ""))


def test_the_longest_chain_of_cells_starts_first_and_the_time_left_is_what_they_took_before(linked_tiny):
    for cell, seconds in (("search-2", 400), ("start-0", 60), ("start-1", 300), ("start-2", 120), ("choice", 240)):
        manifest = linked_tiny.root / f"results/tiny/tiny/corrected/{cell}/manifest.json"
        replace_text(
            manifest,
            f'"wall_seconds": {json.loads(manifest.read_text())["wall_seconds"]}',
            f'"wall_seconds": {seconds}',
        )
    said, done = run(linked_tiny, "--forceall")
    assert said == "5 cells (about 19 min left)"
    # What waits for choice counts with it: 540, 360 and 300 s, against 400 s.
    assert done == [
        ("start-1", "about 14 min"),
        ("search-2", "about 7 min"),
        ("start-2", "about 5 min"),
        ("start-0", "about 4 min"),
        ("choice", ""),
    ]


def test_rules_ask_a_cluster_for_what_their_cells_need(copy_tiny):
    copy = copy_tiny()
    needs = " needs {threads} {resources.mem_mb} {resources.runtime} {resources.gpu};"
    with copy.edited("workflow/rules/cell.smk", " with {params.given}", needs):
        terminal = copy.snakemake("--dry-run").stdout
    asked = dict(re.findall(r"^ *Job \d+: (\S+) needs (1 \d+ \d+ \d+);", terminal, re.MULTILINE))
    assert asked[CHOICE] == asked["tiny/published/mean"] == "1 300 1 0"
    assert asked["tiny/corrected/search-1"] == "1 300 60 0"


def test_a_cell_that_is_not_planned_is_refused_by_name_also_where_others_differ_in_its_number_alone(copy_tiny):
    copy = copy_tiny()
    for name, said in (("start-77", "tiny/corrected/start-77 is not planned"), ("nonsense", "No rule to produce")):
        terminal = copy.snakemake(f"results/tiny/tiny/corrected/{name}/metrics.json", "--dry-run", check=False).stdout
        assert said in terminal
