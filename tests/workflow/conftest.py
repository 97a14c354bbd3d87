"""Copies of the project in which the real snakemake runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from copies import copy_parts
from playwright.sync_api import Page

from gradlab.engine.study import discover
from gradlab.files import sha256
from gradlab.report.build import render_report

SNAKEMAKE = (sys.executable, "-P", "-m", "snakemake", "--nocolor")
# The configuration of the tiny study alone, in a copy that `copy_tiny` made.
TINY = ("--configfile", "tiny.yaml")
PARTS = ("Snakefile", "benchmarks", "config", "notebooks", "profiles", "pyproject.toml", "src", "workflow")


@dataclass(frozen=True)
class Copy:
    """A copy of the project: its root, and the options that every call of snakemake gets."""

    root: Path
    options: tuple[str, ...] = ()

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as a user would; what it prints goes to `terminal.txt`, below what is there."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        with (self.root / "terminal.txt").open("a") as terminal:
            return subprocess.Popen(command, cwd=self.root, env=environment, stdout=terminal, stderr=terminal)

    @property
    def terminal(self) -> str:
        """What the commands that were started have printed."""
        return (self.root / "terminal.txt").read_text(encoding="utf-8")

    def snakemake(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake; with `check`, fail the test with what it printed where it fails."""
        self.root.joinpath("terminal.txt").unlink(missing_ok=True)
        process = self.start(*SNAKEMAKE, "--cores", "2", *arguments, *self.options, **variables)
        process.wait()
        assert not check or process.returncode == 0, self.terminal
        return subprocess.CompletedProcess(process.args, process.returncode, self.terminal)

    def planned(self, *targets: str, **variables: str) -> set[str]:
        """The first word of the message of every job that a run would start: a cell's name, or what the job does."""
        return set(
            re.findall(r"^ *Job \d+: (\S+)", self.snakemake(*targets, "--dry-run", **variables).stdout, re.MULTILINE)
        )

    def read(self, path: str) -> Any:
        """The content of a JSON file."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """Replace text in a file, and put the file back as it was."""
        file = self.root / path
        before = file.read_text(encoding="utf-8")
        assert old in before, f"{path} does not hold {old!r}"
        file.write_text(before.replace(old, new, 1), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")


@pytest.fixture(scope="session")
def copy_project(project: Path, prepared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Copy]:
    """A function that copies the project; in the copy, the folder of data is a link to that of the project itself."""

    def copy(*options: str) -> Copy:
        root = tmp_path_factory.mktemp("project")
        copy_parts(project, root, PARTS)
        (root / "results").mkdir()
        (root / "results/data").symlink_to(prepared_data)
        return Copy(root, options)

    return copy


@pytest.fixture(scope="session")
def copy_tiny(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Copy]:
    """A function that copies the project with the tiny study in it, without data, and with all other studies off."""

    def copy(*options: str, pause: float = 0.0) -> Copy:
        root = tmp_path_factory.mktemp("tiny")
        copy_parts(project, root, PARTS)
        copy_parts(project / "tests", root, ["studies_of_tests"])
        copy_parts(project / "tests/notebooks", root / "notebooks", ["tiny"])
        config = (project / "tests/studies_of_tests/tiny.yaml").read_text(encoding="utf-8")
        config += "studies:\n" + "".join(f"  {name}: false\n" for name in discover())
        (root / "tiny.yaml").write_text(config.replace("pause: 0.0", f"pause: {pause}"), encoding="utf-8")
        return Copy(root, (*TINY, *options))

    return copy


@pytest.fixture(scope="session")
def tiny(copy_tiny: Callable[..., Copy]) -> Copy:
    """A copy in which the tiny study has run."""
    copy = copy_tiny()
    copy.snakemake()
    return copy


@pytest.fixture(scope="session")
def quick(copy_project: Callable[..., Copy]) -> Copy:
    """A copy in which the whole quick study has run."""
    copy = copy_project("--configfile", "config/quick.yaml")
    copy.snakemake()
    return copy


def link(copy: Copy, root: Path) -> Copy:
    """Copy a copy by hard links, to be damaged. To change a file, replace it."""
    said = shutil.ignore_patterns("terminal.txt")
    shutil.copytree(copy.root, root, symlinks=True, copy_function=os.link, ignore=said)
    return Copy(root, copy.options)


def replace_text(file: Path, old: str, new: str, *, missing_ok: bool = False) -> None:
    """Replace text in a file that may be a hard link, and leave what it is linked with as it is."""
    before = file.read_text(encoding="utf-8")
    assert missing_ok or old in before, f"{file} does not hold {old!r}"
    file.unlink()
    file.write_text(before.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def linked_tiny(tiny: Copy, tmp_path: Path) -> Copy:
    """The tiny study once more, as hard links, to be damaged."""
    return link(tiny, tmp_path / "project")


@pytest.fixture
def linked_quick(quick: Copy, tmp_path: Path) -> Copy:
    """The quick study once more, as hard links, to be damaged."""
    return link(quick, tmp_path / "project")


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started."""
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in started:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def find_outputs(results: Path) -> dict[str, str]:
    """The SHA-256 of everything in a folder of results that does not tell when it was made, or how long that took."""
    told = ("notebook.ipynb", "manifest.json", "report.html", "repeatability.json", "run.svg", "run.csv")
    folders = ("pages", "logs")
    return {
        path.relative_to(results).as_posix(): sha256(path)
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.name not in told and path.relative_to(results).parts[0] not in folders
    }


def find_violations(page: Page) -> list[tuple[str, ...]]:
    """What axe-core finds wrong with a page by WCAG 2.1, levels A and AA: rule, element, remedy."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [(rule["id"], node["html"][:200], node["failureSummary"]) for rule in found for node in rule["nodes"]]


@pytest.fixture
def copy_results(quick: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results of the quick study, with its plan and without pages, in the working directory."""
    root = tmp_path / "results/quick"
    shutil.copytree(quick.root / "results/quick", root, ignore=shutil.ignore_patterns("pages", "figures"))
    monkeypatch.chdir(tmp_path)
    return Path("results/quick")  # the paths in the plan are relative to the project


def render(root: Path) -> Path:
    """Render the report of results, in the working directory, with the studies that this process can import."""
    replace_text(root / "plan.json", "./studies_of_tests", "studies_of_tests", missing_ok=True)
    render_report(root / "plan.json", data=root.parent / "data")
    return root / "report.html"
