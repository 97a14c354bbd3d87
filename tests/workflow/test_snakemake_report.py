"""Snakemake's own report of the quick study: every result in its place, with its caption, in a real Chromium."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from gradlab.engine.study import STUDIES

pytestmark = pytest.mark.workflow

PROTOCOLS = {"published": "As published", "corrected": "Corrected"}
SUMMARY = {"report.html", "ledger.json", "ledger.csv", "errata.csv"}
# What the page says of its own libraries, whatever it shows.
OWN_NOISE = ("cdn.tailwindcss.com should not be used in production", "The input spec uses Vega-Lite v3")


@pytest.fixture(scope="module")
def unpacked(quick, tmp_path_factory):
    """The page of the report, unpacked beside the results that it shows."""
    folder = tmp_path_factory.mktemp("snakemake_report")
    quick.snakemake("--report", str(folder / "study.zip"))
    shutil.unpack_archive(folder / "study.zip", folder)
    return folder / "study/report.html"


def read_data(unpacked, name):
    """What the page holds under `name`."""
    html = unpacked.read_text(encoding="utf-8")
    (data,) = re.findall(rf'<script id="{name}">\s*var \w+ = (.*?);\s*</script>', html, re.DOTALL)
    return json.loads(data)


@pytest.fixture(scope="module")
def results(unpacked):
    """What the page says of every file, by path."""
    return read_data(unpacked, "results")


@pytest.fixture(scope="module")
def cells(quick):
    """The names of the files of every planned cell, by the cell's name."""
    folder = quick.root / "results/quick"
    names = quick.read("results/quick/plan.json")["cells"]
    return {
        name: {"manifest.json", *json.loads((folder / name / "manifest.json").read_text())["outputs"]} for name in names
    }


def test_every_result_of_every_planned_cell_is_there_as_it_is(quick, unpacked, results, cells):
    files = {f"results/quick/{name}/{file}" for name, written in cells.items() for file in written}
    assert set(results) == files | {f"results/quick/{file}" for file in SUMMARY}
    for path, result in results.items():
        assert (unpacked.parent / result["data_uri"]).read_bytes() == (quick.root / path).read_bytes(), path


def test_results_lie_under_their_study_and_protocol(quick, unpacked, results, cells):
    places = {
        path: (category, subcategory)
        for category, subcategories in read_data(unpacked, "categories").items()
        for subcategory, paths in subcategories.items()
        for path in paths
    }
    assert places.keys() == results.keys()
    headings = re.findall(r"<h2.*?>(.*?)</h2>", (quick.root / "results/quick/report.html").read_text(encoding="utf-8"))
    for name, files in cells.items():
        study, protocol, _ = name.split("/")
        for file in files:
            assert places[f"results/quick/{name}/{file}"] == (STUDIES[study].title, PROTOCOLS[protocol])
        assert STUDIES[study].title in headings
    assert {places[f"results/quick/{file}"][0] for file in SUMMARY} == {"Published against reproduced"}


def test_labels_tell_the_results_of_a_protocol_apart(results, cells):
    for name, files in cells.items():
        labels = [results[f"results/quick/{name}/{file}"]["labels"] for file in files]
        assert {label["cell"] for label in labels} == {name.split("/")[2]}
        assert len({label["file"] for label in labels}) == len(files)
    assert len({results[f"results/quick/{file}"]["labels"]["file"] for file in SUMMARY}) == len(SUMMARY)


def test_every_kind_of_result_has_a_caption_of_its_own(quick, results, cells):
    for path, result in results.items():
        assert re.fullmatch(r"<p>[^{}]+\.</p>\s*", result["caption"]), (path, result["caption"])
        assert "system-message" not in result["caption"], path  # what docutils writes beside text that it cannot read
    for name, files in cells.items():
        captions = Counter(results[f"results/quick/{name}/{file}"]["caption"] for file in files)
        assert captions.total() == len(captions), name
        template = quick.read(f"results/quick/{name}/manifest.json")["inputs"]
        (notebook,) = (path for path in template if path.endswith(".ipynb"))
        assert notebook in results[f"results/quick/{name}/notebook.ipynb"]["caption"]
    written = {path.stem for path in (quick.root / "workflow/report/captions").glob("*.rst")}
    assert written == {Path(path).name for path in results} | {"study"}


def test_the_page_opens_without_a_network_and_shows_a_figure_with_its_caption(unpacked, open_page):
    page = open_page(unpacked)
    assert page.get_by_text("Two published deep-learning notebooks").is_visible()
    page.get_by_role("link", name="A two-layer network on CIFAR-10").click()
    page.get_by_role("link", name="Corrected").click()
    rows = page.locator("tbody tr").filter(has=page.get_by_role("cell", name="final-1", exact=True))
    assert rows.locator("td:nth-child(2)").all_inner_texts() == [
        "curves as a table",
        "executed notebook",
        "figure: curves",
        "figure: learning rate",
        "figure: weights",
        "manifest",
        "metrics",
    ]
    show, explain = rows.filter(has_text="figure: weights").get_by_role("link").all()
    show.click()
    figure = page.locator("img[src$='/weights.svg']")
    figure.wait_for()
    assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    explain.click()
    assert page.get_by_text("The weights of the first layer after final-1").is_visible()
    folder = unpacked.parent.as_uri()
    assert all(address.startswith((folder, "data:")) for address in page.asked)
    assert [text for text in page.said if not text.startswith(OWN_NOISE)] == []
