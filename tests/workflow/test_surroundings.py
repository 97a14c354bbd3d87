"""Odd surroundings that people had, at the real command line: what cannot work is refused in one line, before anything runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workflow.conftest import SNAKEMAKE, Copy

pytestmark = pytest.mark.workflow

CELL = "results/tiny/tiny/published/0.5/manifest.json"
JUMP = "results/tiny/autodiff/published/jump/manifest.json"


@pytest.fixture
def copy(copy_tiny):
    return copy_tiny()


def assert_refused(copy, message, *arguments, **variables):
    """Refused by one line, in a dry run as well, and nothing has been made."""
    before = sorted((copy.root / "results").rglob("*"))
    for dry in ((), ("--dry-run",)):
        refused = copy.snakemake(*arguments, *dry, check=False, **variables)
        assert refused.returncode != 0
        assert message in refused.stdout
        assert "Traceback" not in refused.stdout
    assert sorted((copy.root / "results").rglob("*")) == before


def test_what_the_users_environment_says_to_shell_python_git_and_jupyter_does_not_matter(copy, tmp_path):
    """All at once, in a real run: cells come out as they are, and the manifest tells of the project's own environment.

    One cell draws with matplotlib; the other is of a study in the project's folder, where the files lie.
    """
    for name in ("random", "platform", "torch", "numpy", "getpass", "sitecustomize"):
        (copy.root / f"{name}.py").write_text("raise SystemExit('shadowed')")
    (copy.root / "matplotlibrc").write_text("axes.facecolor: red\ntext.usetex: true")
    (tmp_path / "bash").write_text("export PATH=/nowhere PYTHONPATH=/nowhere")
    (tmp_path / "startup.py").write_text("raise SystemExit('started')")
    spec = tmp_path / "jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/bin/false"], "display_name": "Mine", "language": "python"}))
    subprocess.run(["git", "init", "-q", tmp_path / "foreign"], check=True)
    (copy.root / "tiny.yaml").write_text(
        (copy.root / "tiny.yaml").read_text().replace("autodiff: false", "autodiff: true")
    )
    copy.snakemake(
        *(CELL, JUMP),
        BASH_ENV=str(tmp_path / "bash"),
        PYTHONSTARTUP=str(tmp_path / "startup.py"),
        JUPYTER_PATH=str(tmp_path / "jupyter"),
        GIT_DIR=str(tmp_path / "foreign/.git"),
        MPLBACKEND="no_such_backend",
        LOGNAME="",
        USER="",
    )
    for cell in (CELL, JUMP):
        manifest = copy.read(cell)
        assert manifest["git"] is None
        assert manifest["versions"]["python"] == sys.version.split()[0]
    assert "red" not in (copy.root / JUMP).with_name("function.svg").read_text()


def test_a_folder_of_results_that_is_a_dangling_link(copy):
    (copy.root / "results").symlink_to("/no/such/disk")
    refused = copy.snakemake(check=False)
    assert refused.returncode != 0
    assert (
        "results is a link to /no/such/disk, which does not exist: make that folder, or remove the link"
        in refused.stdout
    )


def test_a_path_with_a_colon(copy, tmp_path):
    moved = Copy(tmp_path / "a:b", copy.options)
    copy.root.rename(moved.root)
    assert_refused(moved, "contains ':', which separates paths: rename or move the folder")


def test_a_path_that_is_no_text(copy, tmp_path):
    moved = Copy(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), copy.options)
    copy.root.rename(moved.root)
    assert_refused(moved, "is not plain text: rename or move the folder")


def test_a_snakemake_of_another_environment(copy, tmp_path):
    """As pipx makes one: with Snakemake and what that needs alone."""
    hide = tmp_path / "sitecustomize.py"
    hide.write_text(
        "import importlib.metadata as m\nreal = m.version\n"
        "def version(name):\n    if name == 'papermill':\n        raise m.PackageNotFoundError(name)\n    return real(name)\n"
        "m.version = version\n"
    )
    assert_refused(
        copy, f"this snakemake runs in {sys.prefix}, which has no papermill: run it as", PYTHONPATH=str(tmp_path)
    )


def test_a_low_limit_of_open_files_is_raised_or_named(copy):
    command = " ".join([*SNAKEMAKE, "--cores", "1", "--dry-run", *copy.options, "--", CELL])
    for limit, status in (("-Sn 64", 0), ("-n 64", 1)):
        assert copy.start("bash", "-c", f"ulimit {limit}; exec {command}").wait() == status, copy.terminal
    assert "a process may have 64 files open here, and cells need 256: raise the limit" in copy.terminal


@pytest.mark.system
def test_a_folder_that_is_read_only(copy):
    root = str(copy.root)
    subprocess.run(["mount", "--bind", root, root], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        for dry in ([], ["--dry-run"]):
            done = subprocess.run(
                [*SNAKEMAKE, "--cores", "1", *dry, *copy.options], cwd=root, capture_output=True, text=True
            )
            assert done.returncode != 0
            assert f"{root} cannot be written to: make it writable, or copy the project" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def test_a_user_without_a_name_or_a_home(copy, project, tmp_path):
    """As a container runs: an id that no list of users knows, and no folder to keep anything in. make gives it a place."""
    unknown = "import pwd\ndef getpwuid(uid):\n    raise KeyError(f'uid not found: {uid}')\npwd.getpwuid = getpwuid\n"
    (tmp_path / "sitecustomize.py").write_text(unknown)
    shutil.copy2(project / "Makefile", copy.root)
    (copy.root / ".venv").symlink_to(project / ".venv")
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("USER", "LOGNAME", "USERNAME", "LNAME", "HOME")
    }
    for home in ({}, {"HOME": "/dev/null"}):
        done = subprocess.run(
            ["make", "CONFIG=tiny.yaml", f"--eval=try:; @$(SNAKEMAKE) --forcerun {CELL} -- {CELL}", "try"],
            cwd=copy.root,
            env=bare | home | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert copy.read(CELL)["cell"] == "tiny/published/0.5"
