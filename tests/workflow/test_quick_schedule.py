"""The order in which cells start, and the time left, from what they took before."""

import csv
import re

import pytest

pytestmark = pytest.mark.workflow

CELLS = ("jump", "power", "step")


def test_every_cell_has_a_benchmark_that_no_cell_depends_on(quick):
    results = quick.root / "results/quick"
    for cell in quick.read("results/quick/plan.json")["cells"]:
        with (results / f"benchmarks/{cell}.tsv").open(newline="", encoding="utf-8") as lines:
            (measured,) = csv.DictReader(lines, delimiter="\t")
        assert float(measured["s"]) > 0
        assert float(measured["max_rss"]) > 50
    kept = results / "benchmarks"
    kept.rename(results / "elsewhere")
    try:
        assert quick.planned() == set()
    finally:
        (results / "elsewhere").rename(kept)


def test_the_longest_cell_starts_first_and_the_time_left_is_said_once_it_was_measured(copy_project):
    copy = copy_project()
    targets = [f"results/autodiff/published/{cell}/metrics.json" for cell in CELLS]

    def run(*options):
        terminal = copy.snakemake(*targets, "--cores", "1", *options).stdout
        return re.findall(r"^Job \d+: autodiff/published/(\w+)(.*)", terminal, re.MULTILINE)

    table = copy.root / "workflow/measured.csv"
    table.write_text("cell,seconds,memory\n" + "".join(f"autodiff/published/{c},{i},1\n" for i, c in enumerate(CELLS)))
    first = run()
    assert [cell for cell, _ in first] == list(CELLS[::-1])
    assert [said for _, said in first if "left" in said] == []
    for cell, seconds in zip(CELLS, (900, 300, 600), strict=True):
        manifest = copy.root / f"results/autodiff/published/{cell}/manifest.json"
        manifest.write_text(re.sub(r'("wall_seconds": )[\d.]+', rf"\g<1>{seconds}", manifest.read_text()))
    assert [(cell, re.search(r"\((.* left)\)", said)[1]) for cell, said in run("--forceall")] == [
        ("jump", "about 30 min left"),
        ("step", "about 15 min left"),
        ("power", "about 5 min left"),
    ]


def test_rules_ask_a_cluster_for_what_their_cells_were_measured_to_need(copy_project):
    copy = copy_project()
    with copy.edited(
        "workflow/rules/cell.smk", "{time_left}", " needs {threads} {resources.mem_mb} {resources.runtime};"
    ):
        terminal = copy.snakemake("--dry-run").stdout
    asked = {
        cell: (int(memory), int(minutes))
        for cell, memory, minutes in re.findall(r"^Job \d+: (\S+) needs 1 (\d+) (\d+);", terminal, re.MULTILINE)
    }
    rows = list(csv.DictReader((copy.root / "workflow/measured.csv").read_text(encoding="utf-8").splitlines()))
    assert asked.keys() == {row["cell"] for row in rows}
    for row in rows:
        memory, minutes = asked[row["cell"]]
        assert 1.2 * float(row["memory"]) < memory, row
        assert 2 * float(row["seconds"]) < 60 * minutes, row
