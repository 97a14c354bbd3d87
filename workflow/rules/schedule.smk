# In which order the cells start, and what the terminal says of the time left: both from what the cells took when they ran last,
# and on a first run from what they took when the project was made.

from functools import cache

from gradlab.schedule import TimeLeft, expect_seconds, find_longest_waits, read_benchmark

MEASURED = PROJECT / "workflow/measured.csv"
# Of jobs that nearly all cells wait for; the priority of a cell is a time in seconds.
FIRST = 1_000_000


@cache
def expected_seconds():
    """What every cell of the plan will take."""
    return expect_seconds(PLAN["cells"], RESULTS / "benchmarks", MEASURED)


@cache
def longest_waits():
    """What the longest chain of cells that begins with each cell of the plan will take."""
    return find_longest_waits(PLAN["cells"], expected_seconds())


def priority_of(wildcards):
    """A cell starts the earlier, the longer the chain of cells that begins with it."""
    parameters_of(wildcards)
    return longest_waits()[wildcards.name]


def cells_among(jobs):
    """The names of the cells that jobs run."""
    names = [job.wildcards_dict.get("name", "") for job in jobs]
    return [name for name in names if name in PLAN["cells"]]


def seconds_of(cell):
    """What a cell took when it ran last."""
    measured = read_benchmark(RESULTS / f"benchmarks/{cell}.tsv")
    return measured and measured["s"]


def cells_at_once():
    """How many cells can run side by side: a core or, on a cluster, a job for each."""
    return workflow.global_resources["_nodes"].value or workflow.cores


time_left = TimeLeft(
    seconds=expected_seconds,
    waits=longest_waits,
    planned=lambda: cells_among(workflow.dag.needrun_jobs(exclude_finished=False)),
    finished=lambda: cells_among(filter(workflow.dag.finished, workflow.dag.needrun_jobs(exclude_finished=False))),
    took=seconds_of,
    cores=cells_at_once,
)
