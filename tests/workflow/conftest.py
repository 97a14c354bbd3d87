"""Copies of the project in which the real snakemake runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PARTS = ("Snakefile", "config", "notebooks", "profiles", "src", "workflow")


@dataclass(frozen=True)
class Copy:
    """A copy of the project: its root, and the options that every call of snakemake gets."""

    root: Path
    options: tuple[str, ...] = ()

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake; with `check`, fail the test with what it printed where it fails."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments, *self.options]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert not check or done.returncode == 0, done.stdout
        return done

    def planned(self, *targets: str) -> set[str]:
        """The first word of the message of every job that a run would start: a cell's name, or what the job does."""
        return set(re.findall(r"^Job \d+: (\S+)", self.snakemake(*targets, "--dry-run").stdout, re.MULTILINE))

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
    """A function that copies the project; the copy maps the prepared data of the project itself."""

    def copy(*options: str) -> Copy:
        root = tmp_path_factory.mktemp("project")
        for part in PARTS:
            source = project / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / part)
        config = root / "config/config.yaml"
        config.write_text(config.read_text().replace("directory: results/data", f"directory: {prepared_data}"))
        return Copy(root, options)

    return copy


@pytest.fixture(scope="session")
def quick(copy_project: Callable[..., Copy]) -> Copy:
    """A copy in which the whole quick study has run."""
    copy = copy_project("--configfile", "config/quick.yaml")
    copy.snakemake()
    return copy
