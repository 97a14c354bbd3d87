"""The order in which cells start, and the time left, from what they took before."""

import json
import re

import pytest
from workflow.conftest import replace_text
from workflow.test_tiny import CHOICE, STARTS

pytestmark = pytest.mark.workflow

TARGETS = [f"results/tiny/{cell}/metrics.json" for cell in (*sorted(STARTS), "tiny/corrected/search-2", CHOICE)]


def run(copy, *options):
    """The cells in the order in which they start on one core, each with what is said of the time left."""
    terminal = copy.snakemake(*TARGETS, "--cores", "1", *options).stdout
    started = re.findall(r"^Job \d+: tiny/corrected/(\S+?)( \(.* left\))? with", terminal, re.MULTILINE)
    return [(cell, said.strip(" ()")) for cell, said in started]


def test_at_first_cells_that_may_take_long_start_first_and_nothing_is_said_of_the_time_left(copy_tiny):
    first, *between, last = run(copy_tiny())
    assert (first, last) == (("search-2", ""), ("choice", ""))
    assert {said for _, said in between} == {""}


def test_the_longest_chain_of_cells_starts_first_and_the_time_left_is_said_once_it_was_measured(linked_tiny):
    for cell, seconds in (("search-2", 400), ("start-0", 60), ("start-1", 300), ("start-2", 120), ("choice", 240)):
        manifest = linked_tiny.root / f"results/tiny/tiny/corrected/{cell}/manifest.json"
        replace_text(
            manifest,
            f'"wall_seconds": {json.loads(manifest.read_text())["wall_seconds"]}',
            f'"wall_seconds": {seconds}',
        )
    # What waits for choice counts with it: 540, 360 and 300 s, against 400 s.
    assert run(linked_tiny, "--forceall") == [
        ("start-1", "about 19 min left"),
        ("search-2", "about 14 min left"),
        ("start-2", "about 7 min left"),
        ("start-0", "about 5 min left"),
        ("choice", "about 4 min left"),
    ]


def test_rules_ask_a_cluster_for_what_their_cells_need(copy_tiny):
    copy = copy_tiny()
    needs = " needs {threads} {resources.mem_mb} {resources.runtime} {resources.gpu};"
    with copy.edited("workflow/rules/cell.smk", "{time_left}", needs):
        terminal = copy.snakemake("--dry-run").stdout
    asked = dict(re.findall(r"^ *Job \d+: (\S+) needs (1 \d+ \d+ \d+);", terminal, re.MULTILINE))
    assert asked[CHOICE] == asked["tiny/published/mean"] == "1 300 1 0"
    assert asked["tiny/corrected/search-1"] == "1 300 60 0"
