"""What a user sees, and what stays, when the disk is full."""

import math
import os
from contextlib import suppress

import pytest

pytestmark = pytest.mark.workflow

SIZE, PAGE = 2**20, os.sysconf("SC_PAGE_SIZE")  # bytes of the disk, and of the pieces in which files take room


def test_a_full_disk_is_said_in_one_line(copy_tiny, tiny, small_disk):
    copy = copy_tiny("--config", "results=results/small")
    (copy.root / "results").mkdir()
    (copy.root / "results/small").symlink_to(small_disk)
    # What is left holds the plan, and nothing of a cell.
    plan = (tiny.root / "results/tiny/plan.json").read_bytes().replace(b"results/tiny", b"results/small")
    (small_disk / "filler").write_bytes(bytes(SIZE - math.ceil(len(plan) / PAGE) * PAGE))
    full = copy.snakemake("results/small/tiny/published/0.5/metrics.json", check=False)
    assert full.returncode != 0
    assert "gradlab: tiny/published/0.5 failed\n  [Errno 28] No space left on device" in full.stdout
    assert "make room on the disk, and run this again" in full.stdout
    assert "Traceback" not in full.stdout
    assert not (small_disk / "tiny/published/0.5/manifest.json").exists()
    (small_disk / "filler").unlink()
    copy.snakemake("results/small/tiny/published/0.5/metrics.json")


def test_a_disk_that_is_full_from_the_start_is_said_in_one_line(copy_tiny, small_disk):
    copy = copy_tiny("--config", "results=results/small")
    (copy.root / "results").mkdir()
    (copy.root / "results/small").symlink_to(small_disk)
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    full = copy.snakemake("results/small/tiny/published/0.5/metrics.json", check=False)
    assert full.returncode != 0
    assert "results/small/plan.json could not be written: No space left on device" in full.stdout
    assert "Traceback" not in full.stdout
