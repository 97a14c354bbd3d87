"""`gradlab audit`: a notebook's printed numbers, run again."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gradlab.audit.dated import read_month
from gradlab.audit.examine import Audit, audit_notebook
from gradlab.audit.isolation import Limits
from gradlab.audit.record import save_audit
from gradlab.audit.runs import AuditError
from gradlab.files import remedy_of


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options of what a run may use."""
    default = Limits()
    parser.add_argument("--time", type=_positive, default=default.seconds, help="seconds for each run (%(default)g)")
    parser.add_argument(
        "--memory", type=_whole, default=default.memory, help="megabytes of memory for all its processes (%(default)s)"
    )
    parser.add_argument(
        "--disk",
        type=_whole,
        default=default.disk,
        help="megabytes for its copy of the folder and what it writes (%(default)s)",
    )
    parser.add_argument("--network", action="store_true", help="let it reach the network; else it has loopback alone")


def read_limits(options: argparse.Namespace) -> Limits:
    """Return the limits that were given."""
    return Limits(options.time, options.memory, options.disk, options.network)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10,000,000")
    return value


def _whole(text: str) -> int:
    return max(1, int(_positive(text)))


def _month(text: str) -> str:
    try:
        return text and read_month(text)  # argparse reads its default as well
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def audit_into(
    notebook: Path, output: Path, limits: Limits, *, month: str = "", jobs: int = 1, made: Sequence[str] = ()
) -> Audit:
    """Audit a notebook, and write the report and its files.

    Raises
    ------
    AuditError
        It could not be audited.
    """
    from gradlab.audit.page import render_audit

    audit = audit_notebook(
        notebook,
        output,
        limits=limits,
        month=month,
        jobs=jobs,
        made=made,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    save_audit(audit, output, limits)
    render_audit(audit, output / "report.html")
    return audit


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit a notebook: 0 where every number that could be judged is the same, 1 where not, 2 where the audit failed."""
    parser = argparse.ArgumentParser(
        prog="gradlab audit",
        description="Run a notebook again, shut in and several times; tell which of its printed numbers come out, and why the "
        "others do not. A notebook is somebody's code: it runs without network, in a copy of its folder, within limits.",
    )
    parser.add_argument("notebook", type=Path, help="a notebook with its saved outputs, or a folder of such")
    parser.add_argument("--output", type=Path, help="the folder for what comes out (<name>-audit beside it)")
    parser.add_argument("--jobs", type=_whole, default=os.cpu_count() or 1, help="runs side by side (%(default)s)")
    parser.add_argument(
        "--date",
        type=_month,
        default="",
        metavar="YYYY-MM",
        help="also run it with the newest packages of the end of that month, and a Python of that time",
    )
    add_limits(parser)
    options = parser.parse_args(arguments)
    named = options.notebook.resolve()
    output = options.output or named.with_name(f"{named.name if named.is_dir() else named.stem}-audit")
    # Stopped by SIGTERM as by Ctrl-C, so that runs are ended and their folders removed.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.notebook.is_dir():
            return _audit_all(options, output)
        audit = audit_into(options.notebook, output, read_limits(options), month=options.date, jobs=options.jobs)
    except AuditError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"gradlab: the audit of {options.notebook} was stopped from outside", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"gradlab: {options.notebook} could not be audited: {error}; {remedy_of(error)}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    print(audit.sentence)
    for cause, count in audit.causes.items():
        print(f"  {count:>5,}  {cause}")
    print(f"Report: {output / 'report.html'}")
    return 0 if audit.is_same else 1


def _audit_all(options: argparse.Namespace, output: Path) -> int:
    from gradlab.audit.folder import audit_folder, summarise

    audits = audit_folder(options.notebook, output, read_limits(options), options.jobs, options.date)
    print(summarise(audits))
    print(f"Report: {output / 'report.html'}")
    if not all(audits.values()):
        return 2
    return 0 if all(found["same"] for found in audits.values()) else 1
