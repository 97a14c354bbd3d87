# In which order cells start, and what the terminal says of the time left.

from functools import cache

from gradlab.engine.schedule import expect_seconds, find_longest_waits, print_time_left, read_last_runs

# What the cells took when the project was made: for the order of a first run, and for nothing else.
MEASURED = PROJECT / "workflow/measured.csv"
# Of jobs that nearly all cells wait for; the priority of a cell is a time in seconds.
FIRST = 1_000_000


@cache
def last_runs():
    """What cells of the plan took here; read before the first job starts, which removes what an earlier run has left."""
    return read_last_runs(PLAN["cells"], RESULTS)


@cache
def longest_waits():
    """What the longest chain of cells that begins with each cell of the plan will take."""
    return find_longest_waits(PLAN["cells"], expect_seconds(PLAN["cells"], last_runs(), MEASURED))


def priority_of(wildcards):
    """A cell starts the earlier, the longer the chain of cells that begins with it."""
    return longest_waits()[wildcards.name]


def unfinished_cells():
    """The names of the cells that are still to be done."""
    jobs = [job.wildcards_dict for job in workflow.dag.needrun_jobs()]
    return [cell["name"] for cell in jobs if "name" in cell]


class TimeLeft:
    """The time left at the moment at which a message is written."""

    def __str__(self):
        # A core or, on a cluster, a job for each cell.
        at_once = workflow.global_resources["_nodes"].value or workflow.cores
        return print_time_left(PLAN["cells"], unfinished_cells(), last_runs(), at_once)


time_left = TimeLeft()
