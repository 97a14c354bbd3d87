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
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from gradlab.report import render_report

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


def find_violations(page: Page) -> list[tuple[str, ...]]:
    """What axe-core finds wrong with a page by WCAG 2.1, levels A and AA: rule, element, remedy."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [(rule["id"], node["html"][:200], node["failureSummary"]) for rule in found for node in rule["nodes"]]


@pytest.fixture
def copy_results(quick: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results of the quick study, with its plan and without pages, in the working directory."""
    root = tmp_path / "results/quick"
    shutil.copytree(quick.root / "results/quick", root, ignore=shutil.ignore_patterns("pages", "figures"))
    monkeypatch.chdir(tmp_path)
    return Path("results/quick")  # the paths in the plan are relative to the project


@pytest.fixture
def render(quick: Copy) -> Callable[[Path], Path]:
    """A function that renders the report of results that were copied."""

    def render(root: Path) -> Path:
        return render_report(
            root / "plan.json",
            published=quick.root / "workflow/published",
            templates=quick.root / "workflow/report",
            data=root.parent / "data",
        )

    return render


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "these tests need Chromium: install the package chromium, or set CHROMIUM to its path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
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
