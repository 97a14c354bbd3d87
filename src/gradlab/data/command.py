"""`gradlab data PLAN.json NAME` fetches one data set and prepares its arrays, as a plan says.

The plan is a JSON file: {"datasets": {NAME: {"destination": folder, "sources": [...], "local": path or null, "cache":
path or null, "timeout": seconds, "retries": number}}}; all but the destination may be left out.
"""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gradlab.data.fetch import fetch
from gradlab.data.identity import SPECS
from gradlab.data.load import DatasetError
from gradlab.data.prepare import prepare
from gradlab.data.sources import FetchSettings
from gradlab.files import is_full
from gradlab.lifetime import stop_with_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch and prepare a data set; return the exit status."""
    parser = argparse.ArgumentParser(prog="gradlab data", description="Fetch and prepare a data set.")
    parser.add_argument("plan", type=Path, help="JSON file with the destination and the sources")
    parser.add_argument("name", choices=sorted(SPECS), help="the data set")
    options = parser.parse_args(arguments)
    try:
        plan = json.loads(options.plan.read_text(encoding="utf-8"))["datasets"][options.name]
        destination = plan.pop("destination")
        settings = FetchSettings(**plan)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(
            f"{options.plan} gives no usable settings for {options.name} ({type(error).__name__}: {error}); expected "
            'JSON of the form {"datasets": {NAME: {"destination": …, "sources": […], "local": …, "cache": …, '
            '"timeout": …, "retries": …}}}',
            file=sys.stderr,
        )
        return 1
    spec = SPECS[options.name]
    try:
        prepare(spec, fetch(spec, settings), destination)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        room = "make room there (both data sets take 2.3 GB), or " if is_full(error) else ""
        print(
            f"{options.name} could not be written to {destination} ({error.strerror or error}); {room}move the folder to "
            "another disk and leave a link in its place",
            file=sys.stderr,
        )
        return 1
    return 0


def run_job(arguments: Sequence[str] | None = None) -> int:
    """Fetch and prepare a data set, see `main`, as a job that ends with its run, and says what it does."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Stopped by a scheduler, leave no temporary folder and no package manager behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    stop_with_run()
    return main(arguments)
