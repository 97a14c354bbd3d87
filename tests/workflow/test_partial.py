"""Reports of studies of which only a part is there: they are rendered, and count what is missing."""

import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from gradlab.report import render_report

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    "absent",
    [
        "augmentation/corrected/augmented-0",
        "batch_size/published/*",
        "*/corrected/*",
        "*/published/*",
    ],
)
def test_a_report_is_rendered_whatever_is_missing(quick, tmp_path, monkeypatch, absent):
    root = tmp_path / "results/quick"
    shutil.copytree(quick.root / "results/quick", root, ignore=shutil.ignore_patterns("pages"))
    cells = quick.read("results/quick/plan.json")["cells"]
    missing = [name for name in cells if fnmatchcase(name, absent)]
    for name in missing:
        shutil.rmtree(root / name)
    monkeypatch.chdir(tmp_path)
    report = render_report(
        Path("results/quick/plan.json"),  # the paths in the plan are relative to the project
        published=quick.root / "workflow/published",
        templates=quick.root / "workflow/report",
        data=tmp_path / "data",
    ).read_text(encoding="utf-8")
    assert missing
    assert f"{len(cells) - len(missing)} of {len(cells)} planned cells ran" in report
    assert f"{len(missing)} missing ({missing[0]}" in report
