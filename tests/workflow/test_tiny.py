"""The tiny study, end to end, through the contract that any study keeps: what it gives is known in closed form."""

import json
import shutil

import pytest
from bs4 import BeautifulSoup
from made_runs import seal
from workflow.conftest import render

from gradlab.engine.study import discover
from gradlab.files import sha256

pytestmark = pytest.mark.workflow

PUBLISHED = {f"tiny/published/{name}" for name in ("0.5", "1.5", "2.5", "mean")}
SEARCHES, HALVES, STARTS = (
    {f"tiny/corrected/{name}-{number}" for number in numbers}
    for name, numbers in (("search", (1, 2)), ("half", (1, 2)), ("start", (0, 1, 2)))
)
CHOICE = "tiny/corrected/choice"
CELLS = PUBLISHED | SEARCHES | HALVES | STARTS | {CHOICE}
# By the closed forms that stand in figures.yaml.
VERDICTS = {
    "0.5.distance": "exact",
    "0.5.loss": "reproduced",
    "0.5.first_loss": "exact",
    "1.5.distance": "reproduced",
    "1.5.loss": "not reproduced",
    "2.5.distance": "not reproduced",
    "mean.minimum": "exact",
    "1.divergent_rate": "compatible",
    "half-1.distance": "reproduced",
    "start.distance": "compatible",
    "start.first": "not reproduced",
    **{f"2.5.step_{step}.loss": "exact" for step in range(4)},
}


@pytest.fixture
def ledger(tiny):
    return {entry["id"]: entry for entry in tiny.read("results/tiny/ledger.json")["figures"]}


def test_every_cell_ran_and_its_files_are_those_of_its_manifest(tiny):
    plan = tiny.read("results/tiny/plan.json")["cells"]
    assert set(plan) == CELLS
    for name, planned in plan.items():
        folder = tiny.root / "results/tiny" / name
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {file.name for file in folder.iterdir()} == {*manifest["outputs"], "manifest.json"}
        assert all(sha256(folder / file) == digest for file, digest in manifest["outputs"].items())
        assert manifest["parameters"] == planned["given"] | {"output": f"results/tiny/{name}"}
        assert "studies_of_tests/tiny/record.py" in manifest["inputs"]
        assert set(planned["metrics"]) <= set(json.loads((folder / "metrics.json").read_text()))


def test_every_figure_has_the_verdict_that_the_closed_form_gives(ledger):
    assert {name: entry["verdict"] for name, entry in ledger.items()} == VERDICTS


def test_what_cells_measured_is_what_the_closed_form_gives(tiny, ledger):
    assert ledger["2.5.distance"]["reproduced"] == 1.5**10
    for curvature in (1, 2):
        search = tiny.read(f"results/tiny/tiny/corrected/search-{curvature}/metrics.json")
        assert all(2 < curvature * rate <= 2 * 1.1 for rate in search[f"{curvature}.divergent_rate"])
    beside = ledger["0.5.distance"]
    assert (beside["corrected_n"], beside["corrected_mean"]) == (3, 0.5**10)
    assert tiny.read(f"results/tiny/{CHOICE}/metrics.json") == {"choice.nearest": 10}
    (erratum,) = tiny.read("results/tiny/ledger.json")["errata"]
    assert (erratum["verdict"], erratum["cells"]) == ("confirmed", ["tiny/published/2.5"])


def test_studies_that_are_off_have_no_cells_rows_or_sections(tiny):
    others = discover()
    assert others
    assert sorted(path.name for path in (tiny.root / "results").iterdir()) == ["tiny"]  # and no data were fetched
    found = tiny.read("results/tiny/ledger.json")
    assert {entry["study"] for entry in found["figures"] + found["errata"]} == {"tiny"}
    report = BeautifulSoup((tiny.root / "results/tiny/report.html").read_text(encoding="utf-8"), "html.parser")
    for name, study in others.items():
        assert not (tiny.root / "results/tiny" / name).exists()
        assert report.find(id=name) is None
        assert study.title not in report.get_text()
    assert tiny.snakemake("autodiff", check=False).returncode != 0  # there is no such target


def test_a_study_without_a_section_of_its_own_is_shown(tiny):
    report = BeautifulSoup((tiny.root / "results/tiny/report.html").read_text(encoding="utf-8"), "html.parser")
    section = report.find("section", id="tiny")
    text = section.get_text()
    assert "The start at 10 comes nearest to the minimum." in text
    assert "rate 0.5: distance after 10 steps" in text
    assert len(section.select("figure")) == 1
    page = BeautifulSoup((tiny.root / "results/tiny/pages/tiny.html").read_text(encoding="utf-8"), "html.parser")
    plots = [image["alt"] for image in page.select("figure img")]
    assert len(plots) == 3 + 2 + 2
    assert "The position over 10 steps at a rate of 2.5." in plots
    deviations = report.find("section", {"aria-labelledby": "deviations-title"})
    assert "The divergent rate is found by eye." in deviations.get_text()


def test_names_of_parameters_have_no_meaning(tiny):
    """Some are called as an engine might call its own (tolerance, search, runs, data, seeds, device): they stay as they are."""
    plan = tiny.read("results/tiny/plan.json")["cells"]
    mean = plan["tiny/published/mean"]
    given = {"data": [1, 2, 6], "search": "balance", "runs": 3, "seeds": [7, 8], "device": "cuda", "tolerance": 2}
    assert mean["given"].items() >= (given | {"place": "cpu"}).items()
    assert mean["inputs"] == []
    assert plan["tiny/corrected/half-1"]["inputs"] == ["results/tiny/tiny/corrected/search-1/metrics.json"]
    assert plan[CHOICE]["inputs"] == [f"results/tiny/{start}/metrics.json" for start in sorted(STARTS)]


def test_a_figure_is_not_compared_where_a_cell_that_its_own_reads_ran_with_other_settings(tiny, tmp_path, monkeypatch):
    root = tmp_path / "results/tiny"
    shutil.copytree(tiny.root / "results/tiny", root)
    monkeypatch.chdir(tmp_path)
    plan = json.loads((root / "plan.json").read_text())
    search = "tiny/corrected/search-1"
    for parameters in (plan["cells"][search]["parameters"], plan["cells"][search]["given"]):
        parameters["width"] = 0.05
    (root / "plan.json").write_text(json.dumps(plan))
    seal(root / search, parameters=plan["cells"][search]["given"] | {"output": f"results/tiny/{search}"})
    render(root)
    ledger = {entry["id"]: entry for entry in json.loads((root / "ledger.json").read_text())["figures"]}
    changed = {name: entry["note"] for name, entry in ledger.items() if entry["verdict"] != VERDICTS[name]}
    other = "other settings than published: search-1: width 0.05 instead of 0.1"
    assert changed == {"1.divergent_rate": other, "half-1.distance": other}
