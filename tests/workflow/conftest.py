"""Copies of the project in which the real snakemake runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PARTS = ("Snakefile", "config", "workflow", "notebooks", "src")


@dataclass(frozen=True)
class Copy:
    """A copy of the project: its root, and the options that every call of snakemake gets."""

    root: Path
    options: tuple[str, ...]

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake; with `check`, fail the test with what it printed where it fails."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *self.options, *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def planned(self, *targets: str) -> list[str]:
        """The messages of the jobs that a run would start, up to their first space: a cell's name, or what a rule does."""
        printed = self.snakemake("--dry-run", *targets).stdout
        return sorted(re.findall(r"^Job \d+: (\S+)", printed, re.MULTILINE))

    def read(self, path: str) -> dict:
        return json.loads((self.root / path).read_text(encoding="utf-8"))


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
