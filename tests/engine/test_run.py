"""Runs that are planned in a made project, and how one begins."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_notebook
from made_cells import make_cell
from made_studies import make_study

from gradlab.data import DATASETS
from gradlab.engine.rounding import CONTEXTS
from gradlab.engine.run import CUDA_MEMORY, LOCK, REFUSALS, Run, begin, plan_run
from gradlab.engine.study import Cell, Resources

FILE = "config/config.yaml"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one made study in the working directory, and a function that plans a run under some configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gradlab.engine.run.resolve_device", lambda setting: "cuda" if setting == "cuda" else "cpu")
    gpu = Cell(
        study="made",
        protocol="corrected",
        name="large",
        notebook="train",
        device="place",
        resources=Resources(memory=800, minutes=3),
    )
    first = Cell(study="made", protocol="published", name="first", notebook="look", resources=Resources(memory=9000))
    study = make_study(tmp_path, first, gpu)
    (tmp_path / "notebooks/made").mkdir(parents=True)
    make_notebook(tmp_path / "notebooks/made/look.ipynb", parameters="output: str = ''")
    make_notebook(tmp_path / "notebooks/made/train.ipynb", parameters="output: str = ''\nplace: str = 'cpu'")
    (tmp_path / "config").mkdir()
    packages = [f"./{study.package.partition('.')[0]}"]
    (tmp_path / FILE).write_text(json.dumps({"packages": packages, "results": "out"}))
    return lambda **config: plan_run(config, [FILE])


def test_a_run_holds_the_cells_of_its_studies_and_where_their_manifests_are(project):
    run = project()
    assert list(run.studies) == ["made"]
    assert [str(path) for path in run.cells_of("published")] == ["out/made/published/first/manifest.json"]
    assert len(run.cells_of("made")) == len(run.cells_of("published", "corrected")) == len(run.cells) == 2
    assert run.cells_of("other") == []


def test_what_the_command_line_says_is_laid_over_the_file(project):
    assert project(results="elsewhere").plan_file.parent.name == "elsewhere"
    off = project(studies={"made": False})
    assert (off.cells, off.plan["cells"], off.plan["studies"]) == ({}, {}, [])


def test_a_plan_tells_jobs_all_that_they_need(project):
    plan = project(time_limit=5).plan
    assert plan["paths"] == ["."]
    assert plan["time_limit"] == 5
    assert plan["datasets"].keys() == DATASETS.keys()
    assert json.loads(json.dumps(plan)) == plan


def test_a_cell_that_can_use_a_gpu_takes_one_and_the_memory_of_its_libraries(project):
    cpu, cuda = project(), project(device="cuda")
    keys = ["made/published/first", "made/corrected/large"]
    assert [cpu.gpus_of(key) for key in keys] == [0, 0]
    assert [cuda.gpus_of(key) for key in keys] == [0, 1]
    assert [cpu.memory_of(key) for key in keys] == [9000, 800]
    assert [cuda.memory_of(key) for key in keys] == [9000, CUDA_MEMORY]
    assert cuda.plan["cells"][keys[1]]["given"] == {"place": "cuda"}


def test_data_that_are_not_there_are_outdated(project):
    assert project().outdated_data == set(DATASETS)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"time_limit": "long"}, "time_limit = 'long': expected a number"),
        ({"rounding": "avx3"}, "rounding = 'avx3': expected "),
        ({"mode": {}}, "unknown key mode; did you mean made"),
        ({"packages": ["./nowhere"]}, "there is no package ./nowhere"),
        ({"results": "notebooks/made"}, "holds the project's own files"),
    ],
)
def test_what_cannot_be_run_is_refused(project, config, message):
    with pytest.raises(REFUSALS, match=message):
        project(**config)


def test_one_run_at_a_time(project):
    run = project()
    lock, warning = begin(run, here=True)
    assert (warning, json.loads(run.plan_file.read_text())) == ("", run.plan)
    program = (
        "from filelock import FileLock, Timeout\n"
        f"try: FileLock({LOCK!r}).acquire(timeout=0)\nexcept Timeout: print('held')"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "held\n"
    lock.release()
    begin(run, here=True)[0].release()


def test_a_device_that_is_not_here_matters_only_where_jobs_run_here(project, monkeypatch):
    monkeypatch.setattr("gradlab.lab.devices._find_obstacle", lambda: "there is no GPU")
    run = project(device="cuda")
    with pytest.raises(REFUSALS, match="there is no GPU"):
        begin(run, here=True)
    begin(run, here=False)[0].release()


def test_a_context_of_rounding_that_is_not_here_matters_only_where_jobs_run_here(project, monkeypatch):
    monkeypatch.setitem(CONTEXTS, "avx512", replace(CONTEXTS["avx512"], needs=frozenset(["no_such_instruction"])))
    run = project(rounding="avx512")
    assert {cell["rounding"] for cell in run.plan["cells"].values()} == {"avx512"}
    with pytest.raises(
        REFUSALS, match=r"rounding is avx512: the processor .* has no no_such_instruction; this machine"
    ):
        begin(run, here=True)
    assert not run.plan_file.exists()
    begin(run, here=False)[0].release()


def test_a_plan_that_cannot_be_written_says_why(project):
    run = project()
    run.results.write_text("a file")
    with pytest.raises(REFUSALS, match=r"out/plan.json could not be written: .*; put this right"):
        begin(run, here=True)


def test_a_folder_that_cannot_be_locked_is_a_warning(project, monkeypatch):
    run = project()

    def refuse(*_, **__):
        raise OSError(os.EX_NOPERM, "No locks available")

    monkeypatch.setattr("gradlab.engine.run.FileLock.acquire", refuse)
    assert "this folder cannot be locked (No locks available)" in begin(run, here=True)[1]


@pytest.mark.parametrize(
    ("fields", "group"),
    [
        ({}, "short"),
        ({"resources": Resources(minutes=11)}, None),
        ({"resources": Resources(local=True)}, None),
        ({"reads": {"x": "made/published/other"}}, None),
    ],
)
def test_short_cells_share_a_job_where_they_wait_for_none(fields, group):
    cell = make_cell("made/published/one", {}, **fields)
    assert Run({}, {cell.key: cell}, Path(), "cpu", None, {}).group_of(cell.key) == group
