"""Snakemake's own report: every result in its place, with its caption, in a real Chromium."""

import json
import re
import shutil
from collections import Counter

import pytest

from gradlab.engine.study import RESULTS

pytestmark = pytest.mark.workflow

TITLE = "Gradient descent on a parabola"
SUMMARY = {"report.html", "ledger.json", "ledger.csv", "errata.csv"}
# What the page says of its own libraries, whatever it shows.
OWN_NOISE = ("cdn.tailwindcss.com should not be used in production", "The input spec uses Vega-Lite v3")


@pytest.fixture(scope="module")
def unpacked(tiny, tmp_path_factory):
    """The page of the report, unpacked beside the results that it shows."""
    folder = tmp_path_factory.mktemp("snakemake_report")
    tiny.snakemake("--report", str(folder / "study.zip"))
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
def cells(tiny):
    """The names of the files of every planned cell, by the cell's name."""
    folder = tiny.root / "results/tiny"
    names = tiny.read("results/tiny/plan.json")["cells"]
    return {
        name: {"manifest.json", *json.loads((folder / name / "manifest.json").read_text())["outputs"]} for name in names
    }


def test_every_result_of_every_planned_cell_is_there_as_it_is(tiny, unpacked, results, cells):
    files = {f"results/tiny/{name}/{file}" for name, written in cells.items() for file in written}
    assert set(results) == files | {f"results/tiny/{file}" for file in SUMMARY}
    for path, result in results.items():
        assert (unpacked.parent / result["data_uri"]).read_bytes() == (tiny.root / path).read_bytes(), path


def test_results_lie_under_their_study_and_protocol(tiny, unpacked, results, cells):
    places = {
        path: (category, subcategory)
        for category, subcategories in read_data(unpacked, "categories").items()
        for subcategory, paths in subcategories.items()
        for path in paths
    }
    assert places.keys() == results.keys()
    headings = re.findall(r"<h2.*?>(.*?)</h2>", (tiny.root / "results/tiny/report.html").read_text(encoding="utf-8"))
    for name, files in cells.items():
        for file in files:
            assert places[f"results/tiny/{name}/{file}"] == (TITLE, name.split("/")[1])
    assert TITLE in headings
    assert {places[f"results/tiny/{file}"][0] for file in SUMMARY} == {"Published against reproduced"}


def test_labels_tell_the_results_of_a_protocol_apart(results, cells):
    for name, files in cells.items():
        labels = [results[f"results/tiny/{name}/{file}"]["labels"] for file in files]
        assert {label["cell"] for label in labels} == {name.split("/")[2]}
        assert len({label["file"] for label in labels}) == len(files)
    assert len({results[f"results/tiny/{file}"]["labels"]["file"] for file in SUMMARY}) == len(SUMMARY)


def test_every_kind_of_result_has_a_caption_of_its_own(tiny, results, cells):
    for path, result in results.items():
        assert re.fullmatch(r"<p>[^{}]+\.</p>\s*", result["caption"]), (path, result["caption"])
        assert "system-message" not in result["caption"], path  # what docutils writes beside text that it cannot read
    for name, files in cells.items():
        captions = Counter(results[f"results/tiny/{name}/{file}"]["caption"] for file in files)
        assert captions.total() == len(captions), name
        template = tiny.read(f"results/tiny/{name}/manifest.json")["inputs"]
        (notebook,) = (path for path in template if path.endswith(".ipynb"))
        assert notebook in results[f"results/tiny/{name}/notebook.ipynb"]["caption"]
    written = {path.stem for path in (tiny.root / "workflow/report/captions").glob("*.rst")}
    assert {*RESULTS, "manifest.json", *SUMMARY, "study", "figure", "file"} <= written


def test_the_page_opens_without_a_network_and_shows_a_figure_with_its_caption(unpacked, open_page):
    page = open_page(unpacked)
    assert page.get_by_text("Published deep-learning notebooks").is_visible()
    page.get_by_role("link", name=TITLE).click()
    page.get_by_role("link", name="corrected").click()
    rows = page.locator("tbody tr").filter(has=page.get_by_role("cell", name="half-1", exact=True))
    assert rows.locator("td:nth-child(2)").all_inner_texts() == [
        "curves.csv",
        "manifest.json",
        "metrics.json",
        "notebook.ipynb",
        "path.svg",
    ]
    show, explain = rows.filter(has_text="path.svg").get_by_role("link").all()
    show.click()
    figure = page.locator("img[src$='/path.svg']")
    figure.wait_for()
    assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    explain.click()
    assert page.get_by_text("A plot of the cell tiny/corrected/half-1").is_visible()
    folder = unpacked.parent.as_uri()
    assert all(address.startswith((folder, "data:")) for address in page.asked)
    assert [text for text in page.said if not text.startswith(OWN_NOISE)] == []
