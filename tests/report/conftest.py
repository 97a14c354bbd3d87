"""Fixtures of the report's tests."""

import sys
from pathlib import Path

import pytest
from made_report import MadeReport


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeReport:
    """A report without a study so far."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which the folders of studies are added
    return MadeReport(tmp_path)
