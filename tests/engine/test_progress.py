"""What the terminal says of a run, from records as Snakemake writes them."""

import logging

import pytest

from gradlab.engine.progress import SILENCE, Progress


class Terminal(logging.Handler):
    """Snakemake's own handler: it keeps what its filters let through."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


class Times:
    """A schedule by which every unfinished cell takes ten minutes more; nothing is known before a cell is done."""

    def __init__(self):
        self.known = {}

    def learn(self, key):
        self.known[key] = 90.0

    def estimate_left(self, unfinished, cores):
        return 600.0 * len(unfinished) / cores if self.known else None


class Run:
    """A run as Snakemake logs it."""

    def __init__(self):
        self.logger = logging.Logger("run", logging.INFO)
        self.terminal, self.now = Terminal(), 1000.0
        self.progress = Progress(self.logger, lambda: self.now)
        self.terminal.addFilter(self.progress.shows)
        self.logger.addHandler(self.terminal)
        self.logger.addHandler(self.progress)

    def begin(self, cells, others=(), at_once=2):
        self.progress.begin(Times(), cells, others, at_once)

    def start(self, job, rule="", **wildcards):
        self.logger.info(
            "details", extra={"event": "job_info", "jobid": job, "rule_name": rule, "wildcards": wildcards}
        )

    def finish(self, job):
        self.logger.info("details", extra={"event": "job_finished", "job_id": job})

    def fail(self, job):
        self.logger.error("details", extra={"event": "job_error", "jobid": job})

    @property
    def said(self):
        """What was said since it was asked last."""
        lines, self.terminal.lines = self.terminal.lines, []
        return lines


def test_a_line_says_what_will_happen_and_one_what_is_done():
    run = Run()
    run.begin(["s/a", "s/b", "s/c"], ["fashion_mnist", "report"])
    assert run.said == ["To run: 3 cells, 2 at once; fashion_mnist; report"]
    run.start(7, "fashion_mnist")
    run.now += 20
    run.finish(7)
    run.start(1, name="s/a")
    run.start(2, name="s/b")
    run.now += 5
    run.finish(2)
    run.finish(1)
    run.start(3, name="s/c")
    run.finish(3)
    run.start(0, "all")
    run.finish(0)
    assert run.said == [
        "fashion_mnist: done in 20 s",
        "1 of 3 cells: s/b, 1.5 min (about 10 min left)",
        "2 of 3 cells: s/a, 1.5 min (about 5 min left)",
        "3 of 3 cells: s/c, 1.5 min",
    ]


@pytest.mark.parametrize(
    ("cells", "others", "at_once", "line"),
    [(["s/a"], [], 2, "1 cell"), (["s/a", "s/b"], [], 1, "2 cells"), ([], ["report"], 2, "report")],
)
def test_what_will_happen_is_said_in_few_words(cells, others, at_once, line):
    run = Run()
    run.begin(cells, others, at_once)
    assert run.said == [f"To run: {line}"]


def test_a_failed_cell_is_named_and_counts_no_more():
    run = Run()
    run.begin(["s/a", "s/b"], at_once=1)
    run.start(1, name="s/a")
    run.fail(1)
    run.start(2, name="s/b")
    run.finish(2)
    assert run.said[1:] == ["s/a failed", "1 of 2 cells, 1 failed: s/b, 1.5 min"]


def test_a_cell_that_is_tried_again_counts_once():
    run = Run()
    run.begin(["s/a"])
    run.start(1, name="s/a")
    run.fail(1)
    run.start(1, name="s/a")
    run.finish(1)
    assert run.said[1:] == ["s/a failed", "1 of 1 cell: s/a, 1.5 min"]


def test_where_nothing_happens_for_a_minute_it_says_what_is_running():
    run = Run()
    run.begin([f"s/{cell}" for cell in "abcdef"], at_once=6)
    for job, cell in enumerate("abcdef"):
        run.start(job, name=f"s/{cell}")
    run.now += SILENCE - 1
    run.progress.say_running()
    assert len(run.said) == 1
    run.now += 1
    run.progress.say_running()
    run.progress.say_running()
    assert run.said == ["Running: s/a (1 min), s/b (1 min), s/c (1 min), s/d (1 min), and 2 more"]
    run.now += SILENCE
    run.progress.say_running()
    assert len(run.said) == 1


def test_the_terminal_shows_warnings_and_errors_and_no_details():
    run = Run()
    run.logger.info("Building DAG of jobs...")
    run.logger.info("a table", extra={"event": "run_info"})
    run.start(1, name="s/a")
    assert run.said == ["Building DAG of jobs..."]
    run.begin(["s/a"])
    run.logger.info("Select jobs to execute...")
    run.logger.warning("a warning")
    run.logger.error("an error")
    run.logger.info("a cell runs again", extra={"event": None})
    assert run.said == ["To run: 1 cell", "a warning", "an error"]
