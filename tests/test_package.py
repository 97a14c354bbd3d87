"""What `pip install .` brings: the modules, all that lies beside them, and the command."""

import subprocess
import sys
import zipfile

import pytest
from copies import copy_parts


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
