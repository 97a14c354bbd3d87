"""The report of the quick study in a real Chromium."""

import os
import re
import shutil
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import sync_playwright

from gradlab.errata import VERDICTS

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "these tests need Chromium: install the package chromium, or set CHROMIUM to its path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that keeps the addresses it asks for and what it prints to the console."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.close()


def test_the_report_stands_alone(quick, page, project):
    report = quick.root / "results/quick/report.html"
    page.goto(report.as_uri())
    assert [address for address in page.asked if not address.startswith("data:")] == [report.as_uri()]
    assert page.said == []
    assert page.locator("h1").inner_text() == "Published against reproduced"
    lead = page.locator(".lead").first.inner_text()
    assert lead.startswith("48 of 48 planned cells ran. Of 87 published figures")
    assert page.locator("#ledger tbody tr:has(.verdict)").count() == 87
    shown = page.evaluate("[...document.images].filter(image => image.complete && image.naturalWidth > 0).length")
    assert shown == page.locator("img").count() >= 20
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / "report.png")
    page.screenshot(path=screenshots / "report-full.png", full_page=True)


def test_every_study_shows_its_deliverables(quick, page):
    page.goto((quick.root / "results/quick/report.html").as_uri())
    assert page.locator("section > h2").all_inner_texts() == [
        "Ledger",
        "Known errors",
        "Edge cases of automatic differentiation",
        "Data augmentation on FashionMNIST",
        "Batch size on FashionMNIST",
        "A two-layer network on CIFAR-10",
        "Provenance",
    ]
    assert page.locator("#autodiff dl.answers dt").count() >= 4
    assert page.locator("#augmentation figure").count() == 2 + 4
    assert page.locator("#batch_size figure").count() == 3 + 5
    assert page.locator("#regularization figure").count() >= 16
    for study in ("autodiff", "augmentation", "batch_size", "regularization"):
        assert 2 <= page.locator(f"#{study} .conclusions li").count() <= 3
    assert page.locator("#errata article").count() == 7
    for number in range(1, 8):
        erratum = page.locator(f"#erratum-{number}")
        assert erratum.locator(".status").inner_text() in VERDICTS
        assert erratum.locator("a").count() >= 1
    assert page.locator("img:not([alt]), img[alt='']").count() == 0


def test_every_link_of_the_report_and_the_pages_resolves(quick, page):
    report = quick.root / "results/quick/report.html"
    page.goto(report.as_uri())
    links = page.eval_on_selector_all("a[href]", "all => all.map(link => link.href)")
    notebooks = sorted({link for link in links if "/pages/" in link})
    assert len(notebooks) == 48
    for notebook in notebooks:
        page.goto(notebook)
        links += page.eval_on_selector_all("a[href], link[href]", "all => all.map(link => link.href)")
    assert page.said == []
    for link in set(links):
        address = urlparse(link)
        assert address.scheme == "file", link
        assert os.path.exists(unquote(address.path)), link
    page.goto(report.as_uri())
    anchors = page.eval_on_selector_all("a[href^='#']", "all => all.map(link => link.getAttribute('href'))")
    assert anchors
    assert all(page.locator(anchor).count() == 1 for anchor in anchors)


def test_a_notebook_page_is_light_and_without_scripts(quick):
    for file in (quick.root / "results/quick/pages").rglob("*.html"):
        html = file.read_text(encoding="utf-8")
        assert "<script" not in html
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
        without_figures = re.sub(r'src="data:[^"]*"', "", html)
        assert len(without_figures) < 60_000, file.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone(quick, browser, scheme):
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto((quick.root / "results/quick/report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()
