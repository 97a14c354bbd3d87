"""What is checked before anything starts, each fault by itself."""

import os
import resource
import time
from pathlib import Path

import pytest

from gradlab.engine import preflight
from gradlab.engine.preflight import SurroundingsError, check_age, check_folders, check_surroundings, clean_process


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project as the working directory, which needs one package that there is."""
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["pytest>=1"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(check, *arguments):
    with pytest.raises(SurroundingsError) as refused:
        check(*arguments)
    return str(refused.value)


def test_a_sound_place_is_taken(folder):
    check_surroundings(folder)
    check_folders(folder / "results", folder / "new/data")


def test_packages_that_are_not_there_are_named(folder):
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = {[f'no-such-{n}>=1' for n in range(4)]}\n")
    said = refuse(check_surroundings, folder)
    assert "which has no no-such-0, no-such-1, no-such-2 …: run it as .venv/bin/python -m snakemake" in said


@pytest.mark.parametrize(
    ("hard", "said"), [(4096, None), (100, "a process may have 64 files open here, and cells need")]
)
def test_a_low_limit_of_open_files_is_raised_or_refused(folder, monkeypatch, hard, said):
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    if said is None:
        check_surroundings(folder)
        assert raised == [(preflight.OPEN_FILES, hard)]
    else:
        assert said in refuse(check_surroundings, folder)
        assert not raised


@pytest.mark.parametrize(
    ("name", "said"), [("a:b", "contains ':', which separates paths: rename or"), ("a\nb", "is not plain text: rename")]
)
def test_a_path_that_would_be_read_as_another_is_refused(folder, name, said):
    place = folder / name
    place.mkdir()
    (folder / "pyproject.toml").rename(place / "pyproject.toml")
    assert said in refuse(check_surroundings, place)


def test_folders_that_cannot_be_written_to_are_refused(folder, monkeypatch):
    (folder / "results").symlink_to("gone")
    said = refuse(check_folders, folder / "results/quick")
    assert said == f"{folder}/results is a link to gone, which does not exist: make that folder, or remove the link"
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert f"{folder} cannot be written to: make it writable" in refuse(check_folders, folder / "new/data")


def test_files_from_the_future_are_refused(folder):
    file = folder / "module.py"
    file.touch()
    check_age([file, folder / "not_there.py"])
    os.utime(file, (time.time() + 3600,) * 2)
    assert "in the future: set the clock right, or `touch` the file" in refuse(check_age, [file])


def test_what_the_user_says_to_python_and_the_shell_does_not_reach_jobs(folder, monkeypatch):
    monkeypatch.setattr(os, "environ", {"PYTHONSTARTUP": "x.py", "BASH_ENV": "x.sh", "HOME": "/h"})

    def have_no_name():
        raise KeyError(os.getuid())

    monkeypatch.setattr("getpass.getuser", have_no_name)
    clean_process(folder)
    assert not {"PYTHONSTARTUP", "BASH_ENV"} & os.environ.keys()
    assert os.environ["PYTHONPATH"] == str(folder / "src") and os.environ["HOME"] == "/h"
    assert Path(os.environ["PATH"].split(":")[0]).joinpath("python").exists()
    assert os.environ["USER"] == str(os.getuid())
