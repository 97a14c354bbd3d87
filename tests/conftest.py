"""Fixtures of all tests: the project's folder, its prepared data, a browser, and small notebooks made on the spot."""

import os

# Tests compute with one thread, as cells do. NumPy and torch read this when they are imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
# isort: split

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from filelock import FileLock
from machine import launch_browser
from made_cells import finish_cell, make_cell, write_plan
from playwright.sync_api import Browser, Page, sync_playwright
from xdist.scheduler import LoadScopeScheduling

from gradlab.data import is_outdated
from gradlab.data.fetch import fetch
from gradlab.data.identity import SPECS
from gradlab.data.prepare import prepare
from gradlab.data.sources import FetchSettings
from gradlab.engine import warm
from gradlab.engine.job import WARM_VARIABLE
from gradlab.engine.ledger import build_ledger
from gradlab.engine.material import Material, gather_material
from gradlab.engine.results import load_results
from gradlab.engine.study import discover
from gradlab.lifetime import RUN_VARIABLE

PROJECT = Path(__file__).parent.parent
# For the benchmarks; last, so that nothing there takes the place of a module of Python's or of a package.
sys.path.append(str(PROJECT))
# Processes that the tests start import the package from here, as the workflow's jobs do.
os.environ["PYTHONPATH"] = str(PROJECT / "src")


NEED_ROOT = {"small_disk", "slurm"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what takes a fixture that needs root."""
    if NEED_ROOT.intersection(getattr(item, "fixturenames", ())):
        item.add_marker("system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that share the run of the quick study: together they take longest."""
    items.sort(key=lambda item: not shares_quick_study(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give every process whole files, and one of them all that share the run of the quick study."""

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "quick" if shares_quick_study(nodeid) else nodeid.partition("::")[0]

    return Scheduler(config, log)


def shares_quick_study(nodeid: str) -> bool:
    return "/test_quick" in nodeid


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def prepared_data(project: Path) -> Path:
    """The folder of the prepared data sets, fetched and prepared where they are not there, or other code prepared them.

    Of several processes that run tests, one prepares them, and the others wait.
    """
    data = project / "results/data"
    data.parent.mkdir(exist_ok=True)
    with FileLock(data.with_name(".prepared_data.lock")):
        for name in filter(lambda name: is_outdated(data / name), SPECS):
            prepare(SPECS[name], fetch(SPECS[name], FetchSettings()), data / name)
    return data


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, empty. Mounting it takes root."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "small_disk", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens a file in a page that keeps the addresses it asks for (`asked`) and what it prints (`said`)."""
    pages = []

    def open_file(file: Path, *, width: int = 1280, height: int = 900, **options: Any) -> Page:
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(file.resolve().as_uri())
        return page

    yield open_file
    for page in pages:
        page.close()


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a notebook: the parameters cell first, then code cells; Markdown begins with '#'."""

    def write(*cells: str, parameters: str = "output: str = 'out'", name: str = "template.ipynb") -> Path:
        return make_notebook(tmp_path / name, *cells, parameters=parameters)

    return write


@pytest.fixture
def start_warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """A function that starts the warm process of a plan, once; it ends with the test."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(plan_file: Path) -> subprocess.Popen[bytes]:
        if not servers:
            plan = json.loads(plan_file.read_text())
            monkeypatch.setenv(RUN_VARIABLE, str(os.getpid()))
            monkeypatch.setenv(WARM_VARIABLE, "")
            del os.environ[WARM_VARIABLE]
            server = warm.start(plan_file, plan, list(plan["cells"]))
            assert server
            servers.append(server)
        return servers[0]

    yield start
    for server in servers:
        shutil.rmtree(Path(os.environ[WARM_VARIABLE]).parent)
        server.kill()
        server.wait()


def make_notebook(path: Path, *cells: str, parameters: str) -> Path:
    """Write a notebook: the parameters cell first, then code cells; Markdown begins with '#'."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    declared = nbformat.v4.new_code_cell(parameters)
    declared.metadata.tags = ["parameters"]
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    notebook.cells = [declared, *(new[cell.startswith("# ")](cell) for cell in cells)]
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def make_material(tmp_path: Path) -> Callable[[str, Mapping[str, Any]], Material]:
    """A function that makes the material of a study from {`<protocol>/<cell>`: (parameters, metrics) or with curves, a third}.

    Cells declare the metrics that they have; what they call `seed` or `seeds` are their replicates. A cell that is None is
    planned and has not run.
    """

    def make(study: str, cells: Mapping[str, Any]) -> Material:
        planned = {}
        for name, made in cells.items():
            key, (parameters, metrics, *curves) = f"{study}/{name}", made or ({}, {})
            seeds = parameters.get("seeds", [parameters["seed"]] if "seed" in parameters else [])
            resolution = parameters.get("tolerance", 0.0)
            planned[key] = make_cell(key, parameters, metrics=[*metrics], replicates=seeds, resolution=resolution)
            if made is None:
                continue
            folder = tmp_path / key
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(json.dumps(metrics))
            table = curves[0] if curves else pd.DataFrame(columns=["pass", "split", "metric", "value"])
            table.to_csv(folder / "curves.csv", index=False)
            finish_cell(folder, parameters)
        results = load_results(write_plan(tmp_path, planned))
        studies = {study: discover()[study]}
        return gather_material(studies, results, build_ledger(results, studies, root=tmp_path))[study]

    return make
