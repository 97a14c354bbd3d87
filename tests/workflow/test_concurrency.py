"""Much at once: kernels, runs in one folder, and runs in two folders that share a cache."""

import json
import subprocess
import sys
import time

import pytest
from made_cells import write_plan
from workflow.conftest import SNAKEMAKE, kill_all

from gradlab.data.fetch import FetchSettings
from gradlab.files import sha256

pytestmark = pytest.mark.workflow

KERNELS = 32


def test_of_many_kernels_that_start_at_once_none_fails(write_notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write = "open(f'{output}/metrics.json', 'w').write(str(value))\nopen(f'{output}/curves.csv', 'w').close()"
    notebook = write_notebook(write, parameters="value: int = 0\noutput: str = 'out'")
    (tmp_path / "notebooks/s").mkdir(parents=True)
    notebook.rename(tmp_path / "notebooks/s/made.ipynb")
    cells = {f"s/published/{number}": {"value": number} for number in range(KERNELS)}
    write_plan(tmp_path, cells)
    running = [subprocess.Popen([sys.executable, "-m", "gradlab", "cell", "plan.json", name]) for name in cells]
    assert [process.wait() for process in running] == [0] * KERNELS
    found = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in cells]
    assert found == list(range(KERNELS))


def wait_for(text, copy, process):
    deadline = time.monotonic() + 60
    while text not in copy.terminal:
        assert process.poll() is None and time.monotonic() < deadline, copy.terminal
        time.sleep(0.1)


def test_a_second_run_in_a_folder_says_so_and_stops(copy_tiny):
    copy = copy_tiny(pause=300.0)
    first = copy.start(*SNAKEMAKE, "--cores", "1", *copy.options)
    try:
        wait_for("To run: 12 cells", copy, first)
        before = len(copy.terminal)
        second = copy.start(*SNAKEMAKE, "--cores", "1", *copy.options)
        assert second.wait(timeout=60) != 0
        said = copy.terminal[before:]
        assert "another run is going on in this folder; wait for its end, or end it" in said
        assert "Traceback" not in said
        assert first.poll() is None
        assert copy.planned()  # to look at what is planned harms nobody
    finally:
        kill_all(first)


def test_two_projects_that_share_a_cache_fill_it_at_once(copy_project, prepared_data, tmp_path):
    dataset = "fashion_mnist"
    kept = FetchSettings().cache_folder / dataset
    shared = tmp_path / "cache"
    copies = [copy_project() for _ in range(2)]
    for copy in copies:
        (copy.root / "results/data").unlink()  # the link to data that are prepared already
        config = {"sources": ["local"], "local": {dataset: str(kept)}, "cache": str(shared)}
        (copy.root / "shared.json").write_text(json.dumps({"data": config}))
    running = [copy.start(*SNAKEMAKE, "--cores", "1", "--configfile", "shared.json", "--", dataset) for copy in copies]
    for copy, process in zip(copies, running, strict=True):
        assert process.wait() == 0, copy.terminal
    assert {file.name: sha256(file) for file in (shared / dataset).iterdir()} == {
        file.name: sha256(file) for file in kept.iterdir()
    }
    for copy in copies:
        prepared = copy.root / "results/data" / dataset
        assert sha256(prepared / "dataset.json") == sha256(prepared_data / dataset / "dataset.json")
        arrays = copy.read(f"results/data/{dataset}/dataset.json")["arrays"]
        assert all(sha256(prepared / name) == array["sha256"] for name, array in arrays.items())
