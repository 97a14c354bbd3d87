"""What `pip install .` brings: the modules, all that lies beside them, and the command."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain

import pytest
import yaml
from copies import copy_parts
from packaging.requirements import Requirement

import gradlab


@pytest.fixture(scope="module")
def wheel(project, tmp_path_factory):
    """The wheel, built from a copy of the project."""
    folder = tmp_path_factory.mktemp("package")
    copy_parts(project, folder, ["LICENSE", "README.md", "pyproject.toml", "src"])
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(command, cwd=folder, check=True)
    (file,) = (folder / "dist").glob("gradlab-*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def test_every_file_of_the_package_is_in_the_wheel(wheel, project):
    ours = {
        file.relative_to(project / "src").as_posix()
        for file in (project / "src/gradlab").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert ours == {name for name in wheel.namelist() if name.startswith("gradlab/")}
    assert "gradlab/py.typed" in ours


def test_it_has_one_command(wheel):
    (points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(points).decode().split() == ["[console_scripts]", "gradlab", "=", "gradlab.__main__:main"]


def read_lock(file):
    """Return name and version of every requirement of a lock file, and how many digests each has."""
    blocks = re.split(r"^(?=[\w])", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {block.split(" ")[0].strip(): block.count("--hash=sha256:") for block in blocks}


def read_project(project):
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_the_same_wherever_it_stands(project):
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    described = json.loads((project / "codemeta.json").read_text(encoding="utf-8"))
    assert gradlab.__version__ == read_project(project)["version"] == citation["version"] == described["version"]
    assert str(citation["date-released"]) == described["datePublished"]


def test_every_locked_package_but_torch_has_digests(project):
    open_build = read_lock(project / "requirements-torch.lock")
    assert open_build == {"torch==2.13.0": 0, "torchvision==0.28.0": 0}
    assert open_build.keys() <= set(read_project(project)["dependencies"])
    for name in ("requirements.lock", "requirements-test.lock"):
        locked = read_lock(project / name)
        assert len(locked) > 90 and min(locked.values()) >= 1
        assert not {"torch", "torchvision"} & {requirement.partition("==")[0] for requirement in locked}


def test_what_the_package_asks_for_is_locked_apart_from_its_tools(project):
    asked = read_project(project)
    runtime, tools = (
        {Requirement(line).name.lower().replace("_", "-") for line in lines}
        for lines in (asked["dependencies"], chain.from_iterable(asked["optional-dependencies"].values()))
    )
    locked = [
        {requirement.partition("==")[0].lower().replace("_", "-") for requirement in read_lock(project / name)}
        for name in ("requirements.lock", "requirements-test.lock")
    ]
    assert runtime - {"torch", "torchvision"} <= locked[0]
    assert tools <= locked[0] | locked[1] and not {"pytest", "ruff", "jupyterlab"} & locked[0]


def test_conda_gets_the_same_versions(project):
    environment = yaml.safe_load((project / "environment.yml").read_text(encoding="utf-8"))
    listed = {line.partition(" ")[0] for line in environment["dependencies"][-1]["pip"]}
    files = ("requirements.lock", "requirements-test.lock", "requirements-torch.lock")
    assert listed == {requirement for name in files for requirement in read_lock(project / name)}
