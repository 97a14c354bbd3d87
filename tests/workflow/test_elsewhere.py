"""The workflow run from another folder: with its own studies, and with one that lies there alone."""

import json
import shutil
from dataclasses import replace

import pytest
import yaml

pytestmark = pytest.mark.workflow

OURS, THEIRS = "autodiff/published/jump", "tiny/published/0.5"
RESULTS = "results/tiny"


@pytest.fixture
def moved(copy_tiny, tmp_path):
    """A copy, and a folder with the tiny study, which the copy lacks."""
    copy = copy_tiny()
    for part in ("tiny.yaml", "studies_of_tests", "notebooks/tiny"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.move(copy.root / part, tmp_path / part)
    settings = tmp_path / "tiny.yaml"
    settings.write_text(
        settings.read_text().replace("autodiff: false", "autodiff: true") + "autodiff: {cases: [jump]}\n"
    )
    return copy, tmp_path


def read(folder, cell, file):
    return json.loads((folder / RESULTS / cell / file).read_text(encoding="utf-8"))


def check(folder):
    """All is done in this folder: a cell of the project, one of the folder's own study, and the report."""
    assert read(folder, OURS, "metrics.json")
    assert read(folder, THEIRS, "metrics.json")
    inputs = [*read(folder, THEIRS, "manifest.json")["inputs"], *read(folder, OURS, "manifest.json")["inputs"]]
    assert all((folder / path).exists() for path in inputs)
    assert (folder / RESULTS / "report.html").exists()


def test_from_another_folder_with_a_study_that_lies_there(moved):
    copy, folder = moved
    there = replace(copy, root=folder)
    there.snakemake("-s", str(copy.root / "Snakefile"))
    check(folder)
    assert not (copy.root / "results").exists()
    # Nothing is left to do, wherever the command is given.
    again = replace(copy, root=copy.root, options=("--configfile", str(folder / "tiny.yaml")))
    assert "Nothing to be done" in again.snakemake("--directory", str(folder)).stdout
    assert not (copy.root / "results").exists()


HOST = """
module gradlab:
    snakefile: {snakefile!r}
    config: config["gradlab"]

use rule * from gradlab as gradlab_*

rule mine:
    default_target: True
    input: "results/tiny/report.html"
    output: "mine.txt"
    shell: "printenv PYTHONPATH > {{output}} || true"
"""


def test_as_a_module_of_another_workflow(moved):
    """Its rules under other names, its configuration a part of the other's, and the other's processes as they were."""
    copy, folder = moved
    (folder / "Snakefile").write_text(HOST.format(snakefile=str(copy.root / "Snakefile")))
    settings = {"gradlab": yaml.safe_load((folder / "tiny.yaml").read_text())}
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    host = replace(copy, root=folder, options=("--configfile", "mine.yaml"))
    assert "gradlab_tiny" in host.snakemake("--list-rules").stdout
    assert not (folder / "results").exists()
    host.snakemake("--dry-run")
    assert not (folder / "results").exists()
    host.snakemake()
    check(folder)
    assert (folder / "mine.txt").read_text() == ""
    assert "Nothing to be done" in host.snakemake().stdout
