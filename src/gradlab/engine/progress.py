"""What the terminal says of a run: what will happen, what is done, and what is running where all is silent for a minute."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from gradlab.engine.schedule import Schedule, print_time

SILENCE = 60.0  # seconds after which is said what is running
_OURS = "gradlab"  # the attribute of the records that are shown whatever Snakemake says
# Events of Snakemake's with a screen of details each; the cells that fail say so themselves.
_DETAILS = {
    "run_info",
    "resources_info",
    "job_info",
    "group_info",
    "job_error",
    "group_error",
    "job_finished",
    "progress",
}


class Progress(logging.Handler):
    """Follows a run by what Snakemake logs, and says how far it is. Its log file holds both.

    Parameters
    ----------
    logger
        Snakemake's logger: lines go there as well.
    clock
        What tells the time, in seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._logger, self._clock = logger, clock
        self._begun = False
        self._names: dict[int, str] = {}  # of jobs, by Snakemake's number
        self._running: dict[str, float] = {}  # since when
        self._said = clock()

    def shows(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is for the terminal: a filter for the handler that writes there."""
        event = getattr(record, "event", None)
        important = record.levelno >= logging.WARNING or not self._begun
        return hasattr(record, _OURS) or (event not in _DETAILS and important)

    def begin(self, schedule: Schedule, cells: Sequence[str], others: Sequence[str], at_once: int) -> None:
        """Say what will happen, and follow it from now on.

        Parameters
        ----------
        schedule
            What is known of the times of cells.
        cells
            The cells that will run, by key.
        others
            The other jobs, by the names of their rules.
        at_once
            How many cells run at once.
        """
        self._schedule, self._at_once, self._begun = schedule, at_once, True
        self._others = set(others)
        self._cells, self._done, self._failed = dict.fromkeys(cells), set[str](), set[str]()
        parts = [f"{self._count()}{f', {at_once} at once' if 1 < at_once < len(cells) else ''}"] if cells else []
        self._say(f"To run: {'; '.join([*parts, *others])}{self._print_left()}")
        threading.Thread(target=self._watch, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Follow a record."""
        said = vars(record)
        event = said.get("event")
        if not self._begun:
            return
        if event == "job_info":
            name = dict(said["wildcards"].items()).get("name", said["rule_name"])
            self._names[said["jobid"]], self._running[name] = name, self._clock()
            self._failed.discard(name)  # it is tried again
        elif event == "job_finished" and said["job_id"] in self._names:
            self._finish(self._names[said["job_id"]])
        elif event == "job_error" and said["jobid"] in self._names:
            name = self._names[said["jobid"]]
            self._running.pop(name, None)
            self._failed.add(name)
            self._say(f"{name} failed{self._print_left()}")

    def say_running(self) -> None:
        """Say which cells are running, where nothing was said for a while."""
        assert self.lock is not None  # every handler makes one
        with self.lock:
            now = self._clock()
            if self._running and now - self._said >= SILENCE:
                running = [f"{name} ({print_time(now - since)})" for name, since in self._running.items()]
                more = [f"and {len(running) - 4} more"] if len(running) > 4 else []
                self._say(f"Running: {', '.join([*running[:4], *more])}{self._print_left()}")

    def _finish(self, name: str) -> None:
        seconds = self._clock() - self._running.pop(name)
        if name not in self._cells:
            if name in self._others:
                self._say(f"{name}: done in {print_time(seconds)}")
            return
        self._done.add(name)
        self._schedule.learn(name)
        failed = f", {len(self._failed)} failed" if self._failed else ""
        took = print_time(self._schedule.known.get(name, seconds))
        self._say(f"{len(self._done)} of {self._count()}{failed}: {name}, {took}{self._print_left()}")

    def _count(self) -> str:
        return f"{len(self._cells)} cell{'s' if len(self._cells) != 1 else ''}"

    def _print_left(self) -> str:
        now, ended = self._clock(), self._done | self._failed
        unfinished = {name: now - self._running.get(name, now) for name in self._cells if name not in ended}
        left = self._schedule.estimate_left(unfinished, self._at_once) if unfinished else None
        return f" (about {print_time(left)} left)" if left and left >= 1 else ""

    def _say(self, line: str) -> None:
        self._said = self._clock()
        self._logger.info(line, extra={_OURS: True})

    def _watch(self) -> None:
        while True:
            time.sleep(1)
            self.say_running()
