"""Snakemake's own report: every result in its place, with its caption, in a real Chromium."""

import json
import re
import shutil
from collections import Counter

import pytest

from gradlab.engine.study import RESULTS, discover

pytestmark = pytest.mark.workflow

TITLE = "Gradient descent on a parabola"
OVERVIEW = "Published against reproduced"
PROTOCOLS = {"published": "as published", "corrected": "corrected"}
SUMMARY = {
    "report.html": "1. Report",
    "ledger.html": "2. Ledger",
    "ledger.csv": "3. Ledger (CSV)",
    "ledger.json": "4. Ledger and errata (JSON)",
    "errata.csv": "5. Errata (CSV)",
}
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
            assert places[f"results/tiny/{name}/{file}"] == (f"2. {TITLE}", PROTOCOLS[name.split("/")[1]])
    assert TITLE in headings
    assert {places[f"results/tiny/{file}"][0] for file in SUMMARY} == {f"1. {OVERVIEW}"}


def test_labels_say_what_a_file_shows_and_tell_the_results_of_a_protocol_apart(results, cells):
    for name, files in cells.items():
        labels = [results[f"results/tiny/{name}/{file}"]["labels"] for file in files]
        assert {label["cell"] for label in labels} == {name.split("/")[2]}
        assert len({label["shows"] for label in labels}) == len(files)
        assert not [label for label in labels if label["shows"].endswith((".csv", ".ipynb", ".json", ".svg"))]
    assert {file: results[f"results/tiny/{file}"]["labels"]["shows"] for file in SUMMARY} == SUMMARY


def test_a_file_without_a_caption_of_its_own_is_called_by_its_name(results, cells):
    shown = {path.rpartition("/")[2]: result["labels"].get("shows") for path, result in results.items()}
    assert shown["brackets.svg"] == "Plot: brackets" and shown["observations.csv"] == "File: observations"
    assert shown["path.svg"] == "Path of the descent"  # its study has a caption


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


def test_every_caption_has_a_title_and_is_of_a_file_that_is_there(project):
    """Of every study, and those for files of any study."""
    general = project / "workflow/report/captions"
    captions = [*general.glob("*.rst"), *project.glob("notebooks/*/captions/*.rst")]
    assert {path.stem for path in general.glob("*.rst")} >= {
        *RESULTS,
        "manifest.json",
        *SUMMARY,
        "study",
        "plot",
        "file",
    }
    for path in captions:
        title, line, empty, text, *_ = path.read_text(encoding="utf-8").split("\n")
        assert title and line == "=" * len(title) and not empty and text, path
        if path.parent != general:
            study = discover()[path.parts[-3]]
            written = {file for cell in study.cells(study.config()) for file in cell.outputs}
            assert path.stem in written, path


def test_the_page_opens_without_a_network_and_shows_a_figure_with_its_caption(unpacked, open_page):
    page = open_page(unpacked)
    assert page.get_by_text("Published deep-learning notebooks").is_visible()
    assert page.get_by_role("link", name=re.compile(r"\d\. ")).all_inner_texts() == [f"1. {OVERVIEW}", f"2. {TITLE}"]
    page.get_by_role("link", name=OVERVIEW).click()
    assert page.locator("tbody td:first-child").all_inner_texts() == [*SUMMARY.values()]
    page.reload()
    page.get_by_role("link", name=TITLE).click()
    assert page.get_by_role("link", name=re.compile("published$|corrected$")).all_inner_texts() == [*PROTOCOLS.values()]
    page.get_by_role("link", name="corrected").click()
    rows = page.locator("tbody tr").filter(has=page.get_by_role("cell", name="half-1", exact=True))
    assert rows.locator("td:nth-child(2)").all_inner_texts() == [
        "Executed notebook",
        "Measured values",
        "Origin",
        "Path of the descent",
        "Results",
    ]
    show, explain = rows.filter(has_text="Path of the descent").get_by_role("link").all()
    show.click()
    figure = page.locator("img[src$='/path.svg']")
    figure.wait_for()
    assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    explain.click()
    assert page.get_by_text("Where gradient descent stands after every step.").is_visible()
    folder = unpacked.parent.as_uri()
    assert all(address.startswith((folder, "data:")) for address in page.asked)
    assert [text for text in page.said if not text.startswith(OWN_NOISE)] == []
