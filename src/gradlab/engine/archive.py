"""Packs a study into one zip: the report, every cell's results, and the project that computed them, as an RO-Crate.

Paths in the zip are those of the project, so the links of the report hold after unpacking. The same results give the same
bytes: entries are sorted and have no time.
"""

import argparse
import hashlib
import html
import json
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gradlab.engine.crate import (
    CITATION,
    DESCRIPTION,
    WORKFLOW,
    Layout,
    Member,
    Run,
    absolute_path,
    describe_study,
    find_run,
    print_states,
)
from gradlab.engine.plan import REPORT
from gradlab.engine.results import CellResult, PlanError, load_results
from gradlab.engine.robustness import ROBUSTNESS
from gradlab.engine.verify import COMPARISON
from gradlab.files import atomic_path, remedy_of

METADATA = "ro-crate-metadata.json"
REPORT_FOLDERS = ("pages", "figures")
PROJECT = (
    "CHANGELOG.md",
    CITATION,
    "LICENSE",
    "Makefile",
    "README.md",
    WORKFLOW,
    "benchmarks",
    "config",
    "docs",
    "environment.yml",
    "notebooks",
    "profiles",
    "pyproject.toml",
    "requirements-test.lock",
    "requirements-torch.lock",
    "requirements.lock",
    "src",
    "workflow",
)


class ArchiveError(RuntimeError):
    """A study cannot be packed; the message says why, and what to run first."""


@dataclass(frozen=True)
class Archive:
    """What was packed.

    Attributes
    ----------
    path
        The zip.
    members
        Its files, in their order there; the crate's description is the last.
    states
        How many of the planned cells are in which state, see `gradlab.engine.results.CellResult.status`.
    """

    path: Path
    members: Sequence[Member]
    states: Mapping[str, int]


def archive_study(plan_file: Path, target: Path) -> Archive:
    """Pack a study whose report is there; the working directory is the project's root.

    Parameters
    ----------
    plan_file
        The study's plan, beside which its results and its report lie.
    target
        The zip to write; it is whole or not there.

    Raises
    ------
    ArchiveError
        The report, the plan or the project is not there, or a page refers to results that are not.
    PlanError
        The plan cannot be read.
    """
    _check_study(plan_file)
    layout = Layout(Path.cwd(), absolute_path(plan_file.parent))
    results = load_results(plan_file)
    runs = [run for run in map(find_run, results.values()) if run is not None]
    states = dict(sorted(Counter(result.status for result in results.values()).items()))
    sources = {layout.place(path): path for path in _find_files(plan_file, results, runs)}
    _check_links(plan_file.parent, layout, sources)
    with atomic_path(target) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            members = [_write(archive, name, path.read_bytes()) for name, path in sorted(sources.items())]
            crate = describe_study(layout, layout.place(absolute_path(plan_file)), states, runs, members)
            text = json.dumps(crate, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            members.append(_write(archive, METADATA, text.encode()))
    return Archive(target, members, states)


def _check_study(plan_file: Path) -> None:
    missing = [name for name in (CITATION, WORKFLOW) if not Path(name).is_file()]
    if missing:
        raise ArchiveError(
            f"no {' and no '.join(missing)} in {Path.cwd()}, so this is not the root of the project, from which paths in the "
            "archive are counted; change to it and run this command again"
        )
    expected = [plan_file, *(plan_file.parent / name for name in (*REPORT, "pages"))]
    missing = [str(path) for path in expected if not path.exists()]
    if missing:
        raise ArchiveError(
            f"there is no {' and no '.join(missing)}, so there is no study to pack; run `make report` first (or `make quick`, "
            "the shortened study, whose plan lies in results/quick)"
        )


def _check_links(folder: Path, layout: Layout, packed: Mapping[str, Path]) -> None:
    """Refuse pages that are older than their results: some of their links lead nowhere."""
    broken = []
    for page in (path for path in packed.values() if path.suffix == ".html" and path.is_relative_to(folder)):
        addresses = re.findall(r'\s(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8"))
        links = [urlsplit(html.unescape(address)) for address in dict.fromkeys(addresses)]
        paths = [unquote(link.path) for link in links if not link.scheme and not link.netloc and link.path]
        broken += [(page, path) for path in paths if layout.place(page.parent.absolute() / path) not in packed]
    if broken:
        page, path = broken[0]
        more = f", and {len(broken) - 1} more links lead nowhere" if len(broken) > 1 else ""
        raise ArchiveError(
            f"{page} refers to {path}, which the archive would not hold{more}: the report was rendered before the last run; "
            "run `make report` first (or `make quick`, for the shortened study)"
        )


def _find_files(plan_file: Path, results: Mapping[str, CellResult], runs: Sequence[Run]) -> Iterator[Path]:
    """Yield all files to pack: the report, what compares it with second runs, cells, logs of failures, and the project.

    Of the data their descriptions are packed.
    """
    yield plan_file
    for name in (*REPORT, COMPARISON, ROBUSTNESS, *REPORT_FOLDERS):
        yield from _walk(plan_file.parent / name)
    for result in results.values():
        yield from _walk(result.directory)
        if result.status == "failed":
            yield result.log
    for path in sorted({path for run in runs for path in run.inputs if Path(path).name == DESCRIPTION}):
        yield from _walk(Path(path))
    for name in PROJECT:
        yield from _walk(Path(name))


def _walk(path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder but caches, builds and what is hidden; nothing where nothing is there."""
    if path.is_file():
        yield path
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name[0] != "." and not name.endswith(("__pycache__", ".egg-info"))]
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> Member:
    """Write a file that is the same whenever and by whomever it is packed."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the earliest time that a zip can hold
    entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a regular file of Unix that all may read
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
    return Member(name, len(content), hashlib.sha256(content).hexdigest())


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack a study; print what is missing and return 1 where it cannot be packed."""
    parser = argparse.ArgumentParser(
        prog="gradlab archive",
        description="Pack the report, the results and the project into one zip, an RO-Crate. Run in the project's root.",
    )
    parser.add_argument("plan", type=Path, help="the study's plan, beside which the results and the report lie")
    parser.add_argument("--to", type=Path, required=True, metavar="ZIP", help="the file to write")
    options = parser.parse_args(arguments)
    try:
        archive = archive_study(options.plan, options.to)
    except (ArchiveError, PlanError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"gradlab: {options.to} cannot be written: {error}; {remedy_of(error)}", file=sys.stderr)
        return 1
    size = f"{len(archive.members)} files, {archive.path.stat().st_size / 1e6:.1f} MB"
    print(f"archive: {archive.path}, {size}; cells: {print_states(archive.states)}", file=sys.stderr)
    return 0
