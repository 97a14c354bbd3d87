"""What runs again and what does not, after something was edited, deleted or damaged."""

import os
import shutil
import time
from pathlib import Path

import pytest
from workflow.conftest import find_outputs, replace_text
from workflow.test_tiny import CHOICE, HALVES, SEARCHES, STARTS

pytestmark = pytest.mark.workflow

REPORT = {"Rendering"}


def test_a_second_run_has_nothing_to_do(tiny):
    assert "Nothing to be done" in tiny.snakemake().stdout


@pytest.mark.parametrize(
    "path, old, new, again",
    [
        ("studies_of_tests/tiny/bracket.py", '"""', '"""Edited. ', SEARCHES | HALVES | REPORT),
        # What a start gives goes into the choice, whatever it gives.
        ("notebooks/tiny/start.ipynb", "Another start", "One more start", STARTS | {CHOICE} | REPORT),
        ("studies_of_tests/tiny/published/deviations.yaml", "by eye", "by hand", REPORT),
        ("studies_of_tests/tiny/claims.py", "comes nearest", "comes closest", REPORT),
        ("config/config.yaml", "retries: 2", "retries: 3", set()),
        ("tiny.yaml", "starts: [0, 1, 2]", "starts: [0, 1, 2, 5]", {"tiny/corrected/start-5", CHOICE} | REPORT),
    ],
)
def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(tiny, path, old, new, again):
    with tiny.edited(path, old, new):
        assert tiny.planned() == again


def test_what_was_deleted_is_made_again_and_only_that(linked_tiny):
    """A manifest, a plot, a cell's folder that others read from, a page: all at once, in a real run."""
    results = linked_tiny.root / "results/tiny"
    before = find_outputs(results)
    (results / "tiny/published/0.5/manifest.json").unlink()
    (results / "tiny/published/2.5/path.svg").unlink()
    shutil.rmtree(results / "tiny/corrected/search-1")
    (results / "tiny/corrected/half-1/manifest.json").unlink()  # reads what was deleted just now
    shutil.rmtree(results / "tiny/corrected/search-2")  # what reads it is there
    (results / "pages/tiny/published/1.5.html").unlink()
    deleted = {"tiny/published/0.5", "tiny/published/2.5", "tiny/corrected/half-1", *SEARCHES}
    assert linked_tiny.planned() == deleted | REPORT
    linked_tiny.snakemake()
    assert find_outputs(results) == before
    assert linked_tiny.planned() == set()


def test_without_snakemakes_records_manifests_decide(linked_tiny):
    """As after an archive was unpacked elsewhere: with times of its own, in another place, and some of them in the future."""
    root = linked_tiny.root
    shutil.rmtree(root / ".snakemake")
    future = time.time() + 1e8
    for part in ("config", "notebooks", "src", "studies_of_tests", "workflow"):
        for file in filter(Path.is_file, (root / part).rglob("*")):
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
            os.utime(file, (future, future))
    assert linked_tiny.planned() == set()
    replace_text(root / "tiny.yaml", "width: 0.1", "width: 0.2")
    module = root / "studies_of_tests/tiny/bracket.py"
    replace_text(module, '"""', '"""Edited. ')
    os.utime(module, (0, 0))
    replace_text(root / "notebooks/tiny/choice.ipynb", "The nearest", "The closest")
    before = {path: path.stat().st_mtime_ns for path in (root / "results/tiny").rglob("*")}
    dry = linked_tiny.snakemake("--dry-run").stdout
    assert {path: path.stat().st_mtime_ns for path in (root / "results/tiny").rglob("*")} == before
    assert "tiny/corrected/search-1 runs again: ran with width = 0.1, planned is 0.2" in dry
    assert "tiny/corrected/half-1 runs again: ran with other code or data, or a cell that it reads has changed" in dry
    assert f"{CHOICE} runs again: notebooks/tiny/choice.ipynb has changed since" in dry
    linked_tiny.snakemake(f"results/tiny/{CHOICE}/manifest.json")
    assert linked_tiny.planned() == SEARCHES | HALVES | REPORT


def test_a_changed_byte_is_found(linked_tiny):
    replace_text(linked_tiny.root / "results/tiny/tiny/published/mean/observations.csv", "6", "7")
    assert linked_tiny.planned() == {"tiny/published/mean"} | REPORT


def test_a_damaged_manifest_is_said_and_the_cell_runs_again(linked_tiny):
    manifest = linked_tiny.root / "results/tiny/tiny/published/mean/manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()
    manifest.write_bytes(content[:300])
    assert "tiny/published/mean runs again: its manifest cannot be read (" in linked_tiny.snakemake("--dry-run").stdout
    assert linked_tiny.planned() == {"tiny/published/mean"} | REPORT
