"""The tiny study under another rounding context, as `make verify ROUNDING=sse4` runs it."""

import json
import sys

import pytest

from gradlab.engine.rounding import CONTEXTS

pytestmark = pytest.mark.workflow

RESULTS, AGAIN = "results/tiny", "results/tiny/rounding-sse4"


def test_a_run_under_another_context_lies_apart_and_is_compared_and_shown(linked_tiny):
    before = linked_tiny.read(f"{RESULTS}/tiny/published/0.5/manifest.json")
    started = {name for name in linked_tiny.planned("--config", "rounding=sse4") if name.startswith("tiny/")}
    assert started == set(linked_tiny.read(f"{RESULTS}/plan.json")["cells"])
    linked_tiny.snakemake("corrected", "--config", f"results={AGAIN}", "rounding=sse4")
    manifest = linked_tiny.read(f"{AGAIN}/tiny/corrected/search-1/manifest.json")
    assert manifest["rounding"]["asked"] == "sse4"
    assert manifest["rounding"]["measured"]["NumPy"] == {"features": CONTEXTS["sse4"].expected["features"][0]}
    assert not (linked_tiny.root / AGAIN / "tiny/published").exists()
    assert linked_tiny.read(f"{RESULTS}/tiny/published/0.5/manifest.json") == before
    command = [sys.executable, "-P", "-m", "gradlab", "robustness", f"{RESULTS}/plan.json", f"{AGAIN}/plan.json"]
    path = ":".join(str(linked_tiny.root / folder) for folder in ("src", "."))
    said = linked_tiny.start(*command, PYTHONPATH=path)
    assert said.wait() == 0, linked_tiny.terminal
    assert "rounding by all that the processor has, and by sse4: of the comparisons" in linked_tiny.terminal
    found = json.loads((linked_tiny.root / RESULTS / "rounding.json").read_text())
    assert {cell["verdict"] for name, cell in found["cells"].items() if "/corrected/" in name} == {
        "same"
    }  # no last digit is lost
    assert {cell["reason"] for name, cell in found["cells"].items() if "/published/" in name} == {
        "the second run is missing"
    }
    assert linked_tiny.planned() == {"Rendering"}
    linked_tiny.snakemake()
    report = (linked_tiny.root / RESULTS / "report.html").read_text()
    assert "cells ran with sse4 instead of all that the processor has" in report
