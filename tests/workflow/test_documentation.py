"""The documentation does what it says: the tutorial, command by command, and the study that a page makes; it builds, too."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from gradlab.engine.study import discover

pytestmark = pytest.mark.workflow


def read_blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of every fenced block of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_tutorial(project, copy_project):
    copy = copy_project()
    for name in ("Makefile", "requirements.lock", "requirements-torch.lock"):
        (copy.root / name).symlink_to(project / name)
    (copy.root / ".venv").symlink_to(sys.prefix)
    compared = 0
    for language, content in read_blocks(project / "docs/tutorial.md"):
        if language == "yaml":
            file, _ = content.split("\n", 1)
            with (copy.root / file.removeprefix("# ")).open("a") as settings:
                settings.write(content)
        elif language == "sh":
            copy.root.joinpath("terminal.txt").unlink(missing_ok=True)
            status = copy.start("bash", "-euo", "pipefail", "-c", content).wait()
            assert status == 0, f"{content}{copy.terminal}"
        else:
            for line in content.splitlines():
                assert line in copy.terminal
                compared += 1
    assert compared > 4
    ledger = copy.read("results/first/ledger.json")
    skipped = [row for row in ledger["figures"] if row["verdict"] == "not run"]
    assert any("steps" in row["note"] for row in skipped)
    assert len(copy.read("results/first/repeatability.json")["cells"]) == 5


def test_a_study_of_your_own(project, copy_project):
    copy = copy_project()
    studies = copy.root / "src/gradlab/studies/pendulum"
    studies.joinpath("published").mkdir(parents=True)
    studies.joinpath("__init__.py").write_text('"""The period of a pendulum."""\n')
    template = []
    for language, content in read_blocks(project / "docs/study.md"):
        named = re.match(r"# (\S+\.(?:py|yaml))\n", content)
        if named:
            (studies / named[1]).write_text(content)
        elif language == "python":
            template.append(nbformat.v4.new_code_cell(content.rstrip()))
    parameters, _ = template
    parameters.metadata["tags"] = ["parameters"]
    notebook = copy.root / "notebooks/pendulum/swing.ipynb"
    notebook.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=template), notebook)
    others = {name: False for name in discover()}
    (copy.root / "only.yaml").write_text(yaml.safe_dump({"results": "results/pendulum_only", "studies": others}))
    copy.snakemake("pendulum")
    copy.snakemake("--configfile", "only.yaml")
    (figure,) = copy.read("results/pendulum_only/ledger.json")["figures"]
    assert (figure["id"], figure["verdict"]) == ("1.period", "exact")
    assert "A swing of 1 rad takes 6.6 % longer" in (copy.root / "results/pendulum_only/report.html").read_text()


def test_it_builds_without_a_warning(project, tmp_path):
    command = [sys.executable, "-P", "-m", "sphinx", "--fail-on-warning", "--quiet", project / "docs", tmp_path]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
