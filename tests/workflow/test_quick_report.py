"""The report of the quick study in a real Chromium."""

import io
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from bs4 import BeautifulSoup
from made_runs import copy_run, seal
from PIL import Image
from workflow.conftest import find_violations, render

from gradlab.engine.claims import VERDICTS
from gradlab.engine.ledger import count_verdicts, load_ledger
from gradlab.engine.plan import find_studies
from gradlab.engine.verify import COMPARISON, compare_studies, save_comparisons

pytestmark = pytest.mark.workflow

SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def root(quick):
    return quick.root / "results/quick"


@pytest.fixture(scope="module")
def report(root):
    return root / "report.html"


@pytest.fixture(scope="module")
def plan(root):
    return json.loads((root / "plan.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def numbers(root):
    """Every printed number."""
    return load_ledger(root / "ledger.json")


@pytest.fixture(scope="module")
def documents(root, report):
    """The report, the ledger and the pages of notebooks, parsed, by path."""
    return {
        path.resolve(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in [report, root / "ledger.html", *(root / "pages").rglob("*.html")]
    }


def load_images(page):
    """Have every image loaded, those out of sight too."""
    page.evaluate(
        """async () => {
            for (const image of document.images) image.loading = "eager";
            await Promise.allSettled([...document.images].map((image) => image.decode()));
        }"""
    )


# What is there -------------------------------------------------------------------------------------


def test_the_report_asks_for_nothing_outside_its_folder(root, report, open_page):
    page = open_page(report)
    load_images(page)
    assert page.locator("img").count() > 80
    assert page.evaluate("[...document.images].filter(image => image.naturalWidth === 0).map(image => image.src)") == []
    assert all(address.startswith(f"{root.as_uri()}/") for address in page.asked)
    assert page.said == []


def test_the_first_screen_says_what_was_found(report, open_page, plan, numbers):
    page = open_page(report)
    counts = count_verdicts(numbers)
    assert page.locator("h1").inner_text() == "Published against reproduced"
    lead = page.locator(".lead").inner_text()
    assert lead.startswith(
        f"{len(plan['cells'])} of {len(plan['cells'])} planned cells ran; of {len(numbers)} published numbers, "
    )
    assert f"numbers, {counts['exact']} are the same to the last printed digit, " in lead
    for verdict in ("reproduced", "compatible", "not reproduced", "not run"):
        assert f" {counts[verdict]} " in lead


def test_sections_stand_in_the_order_in_which_they_are_read(report, open_page, plan):
    page = open_page(report)
    assert page.locator("section > h2").all_inner_texts() == [
        "Verdicts, causes and power",
        "Comparisons",
        "Under another rounding",
        "Deviations",
        "Errata of the notebooks",
        *(study.title for study in find_studies(plan).values()),
        "Cost",
        "Speed",
        "Provenance",
    ]


def test_every_study_shows_its_deliverables(report, open_page, plan):
    page = open_page(report)
    assert page.locator("#autodiff dl.answers dt").count() >= 4
    assert page.locator("#augmentation figure").count() == 3 + 4
    assert page.locator("#batch_size figure").count() == 3 + 5
    assert page.locator("#regularization figure").count() >= 16
    for study in plan["studies"]:
        assert 2 <= page.locator(f"#{study} .conclusions > li").count() <= 5
        assert page.locator(f"#{study} .conclusions .evidence a").count() >= 2
    errata = page.locator("#errata article").all()
    assert len(errata) == 11
    for erratum in errata:
        assert erratum.locator(".status").inner_text() in VERDICTS
        assert erratum.locator("a").count() >= 1
    assert page.locator("figure img:not([alt]), figure img[alt='']").count() == 0


def test_every_cell_stands_in_the_gallery_with_picture_and_time(report, open_page, plan):
    page = open_page(report)
    tiles = page.locator(".family li")
    assert tiles.count() == len(plan["cells"])
    for tile in tiles.all():
        assert tile.locator("img").count() == 1
        assert re.search(r"\d (s|min) · manifest", tile.text_content())
    linked = page.locator(".family .tile").evaluate_all("all => all.map(tile => tile.getAttribute('href'))")
    assert sorted(linked) == sorted(f"pages/{name}.html" for name in plan["cells"])


# Links ---------------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(documents):
    seen = 0
    for path, document in documents.items():
        for link in document.select("[href]"):
            address = urlparse(link["href"])
            assert address.scheme == address.netloc == "", link
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            assert target.exists(), (path, link["href"])
            if address.fragment:
                assert documents[target].find(id=unquote(address.fragment)), (path, link["href"])
            seen += 1
        ids = [element["id"] for element in document.select("[id]")]
        assert len(ids) == len(set(ids)), path
    assert seen > 900


def test_every_number_of_ours_leads_to_its_notebook_its_manifest_and_the_data(root, report, documents):
    document = documents[report.resolve()]
    numbers = documents[(root / "ledger.html").resolve()].select("tr:not(.log) td:nth-child(5) a, tr.log td a")
    numbers += document.select(
        "section .scroll table td a[href^='pages/'], section .scroll table td a[href^='#cells-']"
    )
    numbers += document.select("figcaption a")
    assert len(numbers) > 120
    for number in numbers:
        pages = [number["href"]]
        address, _, fragment = number["href"].partition("#")
        if address in ("", "report.html"):
            place = document.find(id=fragment)
            place = place if "family" in place.get("class", []) else place.find_parent("section")
            pages = [tile["href"] for tile in place.select("a.tile")]
            assert pages, number
        for address in pages:
            path = (report.parent / address).resolve()
            (manifest,) = documents[path].select("#origin a[href$='/manifest.json']")
            inputs = json.loads((path.parent / manifest["href"]).read_text())["inputs"]
            data = {name: digest for name, digest in inputs.items() if name.endswith("dataset.json")}
            for name, digest in data.items():
                text = documents[path].find(id="origin").get_text()
                assert digest in text
                assert digest in document.find(id=f"data-{Path(name).parent.name}").find_next("p").get_text()


# The ledger -----------------------------------------------------------------------------------------


def test_every_printed_number_has_a_row_in_the_ledger(root, documents, numbers):
    document = documents[(root / "ledger.html").resolve()]
    rows = {row["id"]: row for row in document.select("tbody tr:not(.log)")}
    assert len(rows) == len(numbers)
    for entry in numbers:
        row = rows[f"figure-{entry.study}-{entry.id}"]
        assert row.th.get_text() == entry.claim
        published, verdict, cause = (next(row.select("td")[place].strings) for place in (2, 5, 6))
        assert (published, verdict, cause) == (entry.published, entry.verdict, entry.cause)
    assert (root / "ledger.html").stat().st_size < 1_000_000


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_ledger_is_accessible_and_does_not_scroll_sideways(root, open_page, project, scheme, width):
    page = open_page(root / "ledger.html", width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert find_violations(page) == []
    assert page.said == []
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / f"ledger-{scheme}-{width}.png")


# Readers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1280, 360])
def test_the_report_is_accessible_and_does_not_scroll_sideways(report, open_page, project, scheme, width):
    page = open_page(report, width=width, color_scheme=scheme)
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / f"report-{scheme}-{width}.png")
    load_images(page)
    page.screenshot(path=screenshots / f"report-{scheme}-{width}-full.png", full_page=True)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_of_notebooks_are_accessible_quiet_and_do_not_scroll_sideways(root, open_page, project, plan, scheme):
    one_of_each = {(name.partition("/")[0], cell["notebook"]): name for name, cell in plan["cells"].items()}
    for name in one_of_each.values():
        page = open_page(root / f"pages/{name}.html", width=360, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        assert page.evaluate("[...document.images].filter(image => image.naturalWidth === 0).length") == 0, name
        assert {address for address in page.asked if not address.startswith("data:")} == {
            (root / f"pages/{name}.html").as_uri(),
            (root / "pages/style.css").as_uri(),
        }
        assert page.said == [], name
        assert find_violations(page) == [], name
        page.set_viewport_size({"width": 1280, "height": 900})
        file = project / f"results/test/page-{name.replace('/', '-')}-{scheme}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=file, full_page=True)
        page.close()


def test_pages_of_notebooks_are_light_and_without_scripts(documents, root, plan):
    pages = {
        path: document for path, document in documents.items() if "pages" in path.relative_to(root.resolve()).parts
    }
    assert len(pages) == len(plan["cells"])
    for path, document in pages.items():
        assert not document.select("script, iframe, object, embed, form"), path
        for image in document.select("img"):
            assert image["alt"].strip(), path
            assert image["src"].startswith("data:image/")
            image["src"] = ""
        assert len(str(document).encode()) < 60_000, path
        assert all(not block.has_attr("open") for block in document.select("details.code")[2:]), path


@pytest.mark.parametrize("scheme, ground", [("light", (255, 255, 255)), ("dark", (20, 23, 28))])
def test_figures_follow_the_scheme(report, open_page, scheme, ground):
    page = open_page(report, color_scheme=scheme)
    figure = page.locator("#augmentation figure img").first
    figure.scroll_into_view_if_needed()
    figure.evaluate("image => image.decode()")
    picture = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
    assert picture.getpixel((2, 2)) == ground
    colours = picture.getcolors(picture.width * picture.height)
    ink = min(colours, key=lambda entry: sum(entry[1]) * (1 if scheme == "light" else -1))[1]
    assert sum(ink) < 150 if scheme == "light" else sum(ink) > 600


def test_in_print_the_report_is_black_on_white(report, open_page, project):
    page = open_page(report, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    look = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert look == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    page.pdf(path=project / "results/test/report.pdf")


# Second runs ---------------------------------------------------------------------------------------

OTHER_METRIC, OTHER_FIGURE, CHANGED, NOT_REPEATED = (
    "autodiff/published/power",
    "batch_size/published/4",
    "autodiff/published/halving",
    "autodiff/published/step",
)


@pytest.fixture
def repeated(copy_results, tmp_path):
    """Results with a second run: of two cells it differs, one it lacks, and one has changed since."""
    again = copy_run(copy_results, tmp_path / "again", started="2027-03-04T05:06:07+00:00")
    metrics = json.loads((again / OTHER_METRIC / "metrics.json").read_text())
    metrics["power.branch"] += 0.5
    (again / OTHER_METRIC / "metrics.json").write_text(json.dumps(metrics))
    (again / OTHER_METRIC / "curves.csv").write_text("other")
    seal(again / OTHER_METRIC, versions={"python": "3.99"})
    (again / OTHER_FIGURE / "curves.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    seal(again / OTHER_FIGURE)
    shutil.rmtree(again / NOT_REPEATED)
    comparisons = compare_studies(copy_results / "plan.json", again / "plan.json")
    save_comparisons(comparisons, copy_results / COMPARISON)
    answers = copy_results / CHANGED / "answers.json"
    answers.write_text(answers.read_text() + " ")
    seal(copy_results / CHANGED)
    return copy_results


def test_without_a_second_run_nothing_is_said_of_cells(report, open_page):
    page = open_page(report)
    assert page.locator("#repeats + p").inner_text() == "No cell was run a second time; make verify does that."
    assert page.locator(".repeat").count() == 0


@pytest.mark.parametrize("scheme, width", [("light", 360), ("dark", 1280)])
def test_cells_say_whether_a_second_run_gave_the_same_bytes(repeated, open_page, project, scheme, width, plan):
    page = open_page(render(repeated), width=width, color_scheme=scheme, reduced_motion="reduce")
    said = dict(
        page.locator(".family li").evaluate_all(
            """all => all.map(tile => [
                tile.querySelector("a.tile").getAttribute("href").slice("pages/".length, -".html".length),
                tile.querySelector(".repeat").textContent,
            ])"""
        )
    )
    other = {
        OTHER_METRIC: "≠ repeated: curves.csv, metrics.json differ",
        OTHER_FIGURE: "≠ repeated: curves.svg differs",
        CHANGED: "not repeated since it changed",
        NOT_REPEATED: "not repeated",
    }
    assert len(said) == len(plan["cells"])
    assert said == dict.fromkeys(said, "repeated: same bytes") | other
    assert (
        page.locator("#repeats + p")
        .inner_text()
        .startswith(
            f"{len(said) - 4} of {len(said)} complete cells were run a second time, with the same bytes; 2 with other bytes "
            f"({OTHER_METRIC}, {OTHER_FIGURE}); 1 has changed since; 1 was not run again."
        )
    )
    assert page.locator("header .trouble").inner_text().startswith("Differs when repeated: 2 cells wrote other bytes")
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for place in ("cells-autodiff", "repeats"):
        page.evaluate("place => document.getElementById(place).scrollIntoView()", place)
        page.screenshot(path=project / f"results/test/report-{place}-{scheme}-{width}.png")
    page.locator("header .trouble a").click()
    row = page.locator("#provenance tr", has=page.get_by_role("link", name=OTHER_METRIC, exact=True))
    assert row.locator("td").all_inner_texts() == ["curves.csv, metrics.json", "power.branch", "897.0", "897.5"]
    row.locator("a").click()
    assert page.locator("header .repeat").inner_text() == "≠ repeated on 2027-03-04: curves.csv, metrics.json differ"
    origin = page.locator("#origin").inner_text()
    assert re.search(r"differing in .*python 3\.\d+\.\d+ and 3\.99", origin)
    assert "power.branch: 897.0 in the first run, 897.5 in the second" in origin
    page.locator("#origin summary").click()
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=project / f"results/test/page-repeated-{scheme}-{width}.png", full_page=True)
