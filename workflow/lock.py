"""Writes the versions that are installed now to the lock files and to environment.yml: `make lock` calls it.

Each lock file holds the digests of all files in which a version is published, for other systems and Pythons too. torch and
torchvision have a file of their own, without: which of their builds is taken is left to the installer.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.metadata import requires
from pathlib import Path

from install import OPEN, PIP, find_places, provide_uv
from packaging.requirements import Requirement

TORCH = ("torch", "torchvision")
TITLE = "# {}; written by 'make lock'.\n"
ENVIRONMENT = """\
# The versions of all lock files for users of conda or mamba: conda env create -f environment.yml
# Written by 'make lock'.
name: gradlab
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - make
  - pip:
"""


def freeze() -> list[str]:
    """Return what is installed, as `name==version`, without the build of torch."""
    command = [*PIP, "freeze", "--all", "--exclude", "pip", "--exclude", "gradlab", "--exclude-editable"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.partition("+")[0] for line in printed.splitlines()]


def list_requirements() -> tuple[list[str], list[str]]:
    """Return what the package needs besides torch, with what torch's build for the CPU needs, and the tools."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(line for name in TORCH for line in requires(name) or ())]
    tools = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [line for line in needed if Requirement(line).name not in TORCH and "extra ==" not in line], tools


def compile_lock(uv: str, installed: Path, requirements: Sequence[str]) -> dict[str, str]:
    """Return all that requirements need, in the versions installed: lines with digests, by `name==version` and its marker."""
    command = [uv, "pip", "compile", "-", "--quiet", "--universal", "--generate-hashes", "--no-annotate", "--no-header"]
    command += ["--python", sys.executable, "--constraint", str(installed)]
    environment, text = find_places() | os.environ, "\n".join(requirements)
    compiled = subprocess.run(
        command, env=environment, input=text, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    blocks = re.split(r"^(?=\S)", compiled, flags=re.MULTILINE)[1:]
    return {block.partition(" \\\n")[0]: block for block in blocks}


def main() -> None:
    """Write the four files."""
    frozen, (needed, tools) = freeze(), list_requirements()
    with provide_uv() as uv, tempfile.TemporaryDirectory() as folder:
        installed = Path(folder, "installed.txt")
        installed.write_text("\n".join(frozen))
        runtime = compile_lock(uv, installed, needed)
        both = compile_lock(uv, installed, [*needed, *tools])
    torch = [line for line in frozen if line.partition("==")[0] in TORCH]
    added = {name: block for name, block in both.items() if name not in runtime}
    for file, title, blocks in (
        ("requirements.lock", "What a study needs, besides torch", runtime),
        ("requirements-test.lock", "What the tests, the documentation and the checks of style need besides", added),
    ):
        Path(file).write_text(TITLE.format(title) + "".join(blocks.values()))
    Path(OPEN).write_text(
        TITLE.format("The builds, for the CPU or for CUDA, are left to the installer") + "\n".join(torch) + "\n"
    )
    listed = "".join(f"      - {name}\n" for name in [*both, *torch])
    Path("environment.yml").write_text(ENVIRONMENT + listed)


if __name__ == "__main__":
    main()
