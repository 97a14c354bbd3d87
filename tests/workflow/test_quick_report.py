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
from overlap import find_overlaps
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
def ledger(numbers):
    """The numbers that stand in no log."""
    return [
        entry for entry in numbers if not (entry.log and re.match(rf"{re.escape(entry.log)}\.[a-z]+_\d+\.", entry.id))
    ]


@pytest.fixture(scope="module")
def documents(root, report):
    """The report, the ledger and all pages, parsed, by path."""
    return {
        path.resolve(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in [report, root / "ledger.html", *(root / "pages").rglob("*.html")]
    }


@pytest.fixture(scope="module")
def pages_of_studies(root, plan):
    return {study: root / f"pages/{study}.html" for study in plan["studies"]}


def load_images(page):
    """Have every image loaded, those out of sight too."""
    page.evaluate(
        """async () => {
            for (const image of document.images) image.loading = "eager";
            await Promise.allSettled([...document.images].map((image) => image.decode()));
        }"""
    )


def find_wide(page):
    """What is wider than the page, or than the box that it stands in, as printed."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".scroll, .plot, table")]
            .filter((box) => box.checkVisibility() && box.scrollWidth > document.documentElement.clientWidth)
            .map((box) => box.getAttribute("aria-label") ?? box.textContent.slice(0, 60))"""
    )


# What is there -------------------------------------------------------------------------------------


def test_the_report_asks_for_nothing_outside_its_folder(root, report, pages_of_studies, open_page):
    for file in (report, *pages_of_studies.values()):
        page = open_page(file)
        load_images(page)
        assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)") == []
        assert all(address.startswith((f"{root.as_uri()}/", "data:")) for address in page.asked)
        assert page.said == []
        assert file.stat().st_size < 1_000_000


def test_the_first_screen_says_what_was_found_and_shows_every_number(
    report, open_page, plan, ledger, numbers, documents
):
    page = open_page(report, width=1440)
    counts = count_verdicts(numbers)
    assert page.locator("h1").inner_text() == "Published against reproduced"
    lead = page.locator(".lead").inner_text()
    assert lead.startswith(f"{len(plan['cells'])} of {len(plan['cells'])} planned experiments ran again, ")
    assert (
        f"Of the {len(numbers):,} numbers that the notebooks print, {counts['exact']} are the same to the last" in lead
    )
    key = {item.split()[0]: item for item in page.locator(".key li").all_inner_texts()}
    for verdict, count in counts.items():
        assert not count or (f" {count:,} " in lead and key[verdict.split()[0]].endswith(f"{count:,}"))
    findings = page.locator(".findings li")
    assert (
        3 <= findings.count() <= 7
    )  # of the shortened study; those that compare it with the published one are missing
    for place in (".findings", ".numbers"):
        box = page.locator(place).bounding_box()
        assert box["y"] + box["height"] <= 900, place
    logs = [log for log in json.loads((report.parent / "ledger.json").read_text())["logs"]]
    marks = page.locator(".tally li a")
    assert marks.count() == len(ledger) + len(logs) and page.locator(".tally .log").count() == len(logs)
    rows = {element["id"] for element in documents[(report.parent / "ledger.html").resolve()].select("[id]")}
    for mark in documents[report.resolve()].select(".tally li a"):
        address, _, place = mark["href"].partition("#")
        assert address == "ledger.html" and place in rows
        assert mark["title"].endswith(mark["class"][1].replace("-", " "))


def test_parts_stand_in_the_order_in_which_they_are_read_and_in_the_contents(report, open_page, plan):
    page = open_page(report)
    studies = [study.title for study in find_studies(plan).values()]
    assert page.locator("main > section > h2").all_inner_texts() == [
        *studies,
        "Errata of the notebooks",
        "Comparisons",
        "Under another rounding",
        "Deviations",
        "Cost and speed",
        "Provenance",
    ]
    named = page.locator(".contents li a").all_inner_texts()
    assert named[: len(studies) + 1] == ["Findings", *studies] and len(named) == len(studies) + 7


def test_the_contents_stay_in_view_and_say_where_one_is(report, open_page):
    page = open_page(report, width=1440, reduced_motion="reduce")
    current = page.locator(".contents [aria-current]")
    assert current.inner_text() == "Findings"
    for place in ("batch_size", "errata", "provenance"):
        page.locator(f".contents a[href='#{place}']").click()
        page.wait_for_function(
            "place => document.querySelector('.contents [aria-current]')?.getAttribute('href') === '#' + place",
            arg=place,
        )
        assert page.locator(".contents details").bounding_box()["y"] == 0
        assert -1 <= page.locator(f"#{place}").bounding_box()["y"] < 900
    page.mouse.wheel(0, -100_000)
    page.wait_for_function("() => document.querySelector('.contents [aria-current]').textContent === 'Findings'")


def test_on_a_narrow_screen_the_contents_are_folded_and_fold_again(report, open_page):
    page = open_page(report, width=390, reduced_motion="reduce")
    link = page.locator(".contents a[href='#errata']")
    assert not link.is_visible()
    page.locator(".contents summary").click()
    link.click()
    assert not link.is_visible()
    assert page.locator("#errata").bounding_box()["y"] < 900


def test_every_study_answers_in_the_report_and_shows_the_rest_on_a_page_of_its_own(
    report, pages_of_studies, open_page, plan
):
    page = open_page(report)
    for study in plan["studies"]:
        assert 2 <= page.locator(f"#{study} .conclusions > li").count() <= 5
        assert page.locator(f"#{study} .conclusions .evidence a").count() >= 2
        assert 1 <= page.locator(f"#{study} figure").count() <= 2
        assert 3 <= page.locator(f"#{study} tbody tr").count() <= 12
        assert page.locator(f"#{study}").bounding_box()["height"] < 3.5 * 900
    errata = page.locator("#errata article").all()
    assert len(errata) == 11
    for erratum in errata:
        assert erratum.locator(".status").inner_text() in VERDICTS
        assert erratum.locator("a").count() >= 1
    figures = {"autodiff": 4, "augmentation": 6, "batch_size": 8, "regularization": 16, "moons": 2}
    for study, least in figures.items():
        page = open_page(pages_of_studies[study])
        assert page.locator("figure").count() >= least
        assert page.locator("figure img:not([alt]), figure img[alt='']").count() == 0
    assert open_page(pages_of_studies["autodiff"]).locator("dl.answers dt").count() >= 4


def test_every_cell_stands_in_the_gallery_with_picture_and_time(pages_of_studies, open_page, plan):
    linked = []
    for file in pages_of_studies.values():
        page = open_page(file)
        for tile in page.locator(".family li").all():
            assert tile.locator("img").count() == 1
            assert re.search(r"\d (s|min) · manifest", tile.text_content())
        linked += page.locator(".family .tile").evaluate_all("all => all.map(tile => tile.getAttribute('href'))")
    assert sorted(linked) == sorted(f"../pages/{name}.html" for name in plan["cells"])


def test_no_texts_of_plots_lie_on_one_another(root, open_page):
    plots = [file for folder in ("figures/*", "*/*/*") for file in sorted(root.glob(f"{folder}/*.svg"))]
    assert len(plots) > 80
    page = open_page(plots[0])
    found = {}
    for plot in plots:
        page.goto(plot.resolve().as_uri())
        if overlaps := find_overlaps(page):
            found[plot.relative_to(root).as_posix()] = overlaps
    assert found == {}


# Links ---------------------------------------------------------------------------------------------


def follow(path, href):
    """The file that a link leads to, and the place in it."""
    address = urlparse(href)
    assert address.scheme == address.netloc == "", href
    return (path.parent / unquote(address.path)).resolve() if address.path else path, unquote(address.fragment)


def test_every_link_leads_somewhere(documents):
    seen = 0
    for path, document in documents.items():
        ids = [element["id"] for element in document.select("[id]")]
        assert len(ids) == len(set(ids)), path
    places = {path: {element["id"] for element in document.select("[id]")} for path, document in documents.items()}
    for path, document in documents.items():
        for link in document.select("[href]"):
            target, place = follow(path, link["href"])
            assert target.exists(), (path, link["href"])
            if place and not place.startswith("?"):  # a filter of the ledger
                assert place in places[target], (path, link["href"])
            seen += 1
    assert seen > 900


def test_every_number_of_ours_leads_to_its_notebook_its_manifest_and_the_data(report, documents, pages_of_studies):
    pages = [report, report.with_name("ledger.html"), *pages_of_studies.values()]
    links = {
        (path.resolve(), link["href"])
        for path in pages
        for link in documents[path.resolve()].select("tbody td a[href*='pages/'], .sources a[href*='pages/']")
    }
    assert len(links) > 100
    article = documents[report.resolve()]
    for path, href in links:
        target, place = follow(path, href)
        if place:
            found = documents[target].find(id=place)
            found = found if "family" in found.get("class", []) else found.find_parent("main")
            targets = [follow(target, tile["href"])[0] for tile in found.select("a.tile")]
            assert targets, (path, href)
        else:
            targets = [target]
        for target in targets:
            (manifest,) = documents[target].select("#origin a[href$='/manifest.json']")
            inputs = json.loads((target.parent / manifest["href"]).read_text())["inputs"]
            data = {name: digest for name, digest in inputs.items() if name.endswith("dataset.json")}
            for name, digest in data.items():
                assert digest in documents[target].find(id="origin").get_text()
                assert digest in article.find(id=f"data-{Path(name).parent.name}").find_next("p").get_text()


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
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_report_is_accessible_and_does_not_scroll_sideways(
    report, pages_of_studies, open_page, project, scheme, width
):
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    for name, file in {"report": report, **pages_of_studies}.items():
        page = open_page(file, width=width, color_scheme=scheme)
        assert find_violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=screenshots / f"{name}-{scheme}-{width}.png")
        load_images(page)
        page.screenshot(path=screenshots / f"{name}-{scheme}-{width}-full.png", full_page=True)
        page.close()


def test_without_scripts_the_report_is_whole(report, open_page, plan):
    page = open_page(report, java_script_enabled=False)
    for study in plan["studies"]:
        assert page.locator(f"#{study} figure").first.is_visible()
    assert page.locator(".contents a[href='#errata']").is_visible()


def test_who_is_sent_to_what_is_folded_away_finds_it_open(report, open_page):
    page = open_page(report)
    page.goto(f"{report.as_uri()}#data-cifar10")
    assert page.locator("#data-cifar10").is_visible()


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
    for name in plan["cells"]:
        path = (root / f"pages/{name}.html").resolve()
        document = documents[path]
        assert not document.select("script, iframe, object, embed, form"), path
        for image in document.select("img"):
            assert image["alt"].strip(), path
            assert image["src"].startswith("data:image/")
            image["src"] = ""
        assert len(str(document).encode()) < 60_000, path
        assert all(not block.has_attr("open") for block in document.select("details.code")), path


@pytest.mark.parametrize("scheme, ground", [("light", (255, 255, 255)), ("dark", (20, 23, 28))])
def test_plots_follow_the_scheme(report, open_page, scheme, ground):
    page = open_page(report, color_scheme=scheme)
    for plot in ("#augmentation .plot svg", "#autodiff .plot img"):
        figure = page.locator(plot).first
        figure.scroll_into_view_if_needed()
        load_images(page)
        picture = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
        assert picture.getpixel((2, 2)) == ground
        colours = picture.getcolors(picture.width * picture.height)
        ink = min(colours, key=lambda entry: sum(entry[1]) * (1 if scheme == "light" else -1))[1]
        assert sum(ink) < 150 if scheme == "light" else sum(ink) > 600


def test_in_print_the_report_is_black_on_white_without_controls_and_nothing_is_cut_off(report, open_page, project):
    page = open_page(report, color_scheme="dark", width=718)  # A4 between margins of 1 cm, at 96 pixels an inch
    page.emulate_media(media="print", color_scheme="dark")
    look = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert look == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert not page.locator(".contents").is_visible()
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    assert find_wide(page) == []
    page.pdf(path=project / "results/test/report.pdf", format="A4")


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


def test_without_a_second_run_nothing_is_said_of_cells(report, pages_of_studies, open_page):
    page = open_page(report)
    assert page.locator("#repeats + p").inner_text() == "No cell was run a second time; make verify does that."
    for file in pages_of_studies.values():
        assert open_page(file).locator(".repeat").count() == 0


@pytest.mark.parametrize("scheme, width", [("light", 360), ("dark", 1280)])
def test_cells_say_whether_a_second_run_gave_the_same_bytes(repeated, open_page, project, scheme, width, plan):
    report = render(repeated)
    said = {}
    for study in plan["studies"]:
        page = open_page(report.with_name("pages") / f"{study}.html", width=width, color_scheme=scheme)
        said |= dict(
            page.locator(".family li").evaluate_all(
                """all => all.map(tile => [
                    tile.querySelector("a.tile").getAttribute("href").slice("../pages/".length, -".html".length),
                    tile.querySelector(".repeat").textContent,
                ])"""
            )
        )
    page = open_page(report, width=width, color_scheme=scheme, reduced_motion="reduce")
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
    page.locator("header .trouble a").click()
    page.locator("#provenance summary", has_text="The second run").click()
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
