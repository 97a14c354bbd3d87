"""Plots inside a page: their marks carry what was drawn, and can be read off by pointer and keyboard."""

import base64
import csv
import hashlib
import io
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from overlap import find_overlaps
from workflow.conftest import find_violations

from gradlab.lab import style
from gradlab.report.blocks import draw
from gradlab.report.build import TEMPLATES
from gradlab.report.svg import SCHEME

ALT = "Loss and accuracy of <two> runs & their rates."
PASSES = np.arange(300)
LOSS = 2.3 * np.exp(-PASSES / 50) + 1e-3


def make_figure():
    """A plot with a mark of each kind: lines, points, error bars, bars, and an axis of names."""
    figure, (loss, accuracy, rate) = style.panels(1, 3, width=7.5)
    loss.plot(PASSES, LOSS, label="ours")
    loss.plot([0, 1, 2, 400], [2.3, np.nan, 1.5, 0.0], "o", label="published")
    loss.axhline(1, color="0.25")
    loss.set(xlim=(-10, 310), yscale="log", xlabel="passes", ylabel="loss (nats)", title="training")
    accuracy.plot([0.86, 0.875], [-0.1, 0.2], "o", label="runs of none")
    accuracy.barh([0, 1], [0.5, 0.25], label="one")
    accuracy.barh([0, 1], [0.25, 0.5], left=[0.5, 0.25], label="other")
    accuracy.set_yticks([0, 1], ["none", "trained on\naugmented"])
    accuracy.set(xlabel="accuracy", label="accuracies")
    rate.errorbar([1, 16], [0.02, 0.25], [0.001, 0.05], fmt="s", capsize=2, label="seed 0")
    rate.scatter([1, 16], [0.01, 0.15], color=style.COLOURS[1], label="by eye")
    return figure


def read_marks(inline):
    """Panel, name, x and y of the points of every mark, as they are printed."""
    root = ElementTree.fromstring(re.sub(' xmlns="[^"]*"', "", inline, count=1))
    marks = []
    for panel in root.iter("g"):
        if panel.get("class") == "panel":
            for mark in panel.iter("g"):
                if mark.get("class") == "mark":
                    x, y = mark.get("data-x").split("|"), mark.get("data-y").split("|")
                    assert len(x) == len(y) == len(mark.get("data-at").split())
                    marks.append((panel.get("aria-label"), mark.get("data-name"), x, y))
    return marks


def read_table(data):
    """x and y of every mark in a table."""
    header, *rows = csv.reader(io.StringIO(data))
    assert header == ["panel", "name", "x", "y"]
    marks = {}
    for panel, name, x, y in rows:
        marks.setdefault((panel, name), []).append((x, y))
    return marks


@pytest.fixture
def picture():
    return draw(make_figure(), "made", alt=ALT, caption="Made.", finding="It falls.", cells=["a/published/b"])


def test_a_picture_keeps_what_it_is_given_and_its_figure_is_closed(picture):
    assert (picture.alt, picture.finding, picture.cells) == (ALT, "It falls.", ["a/published/b"])
    assert picture.size == (720, 269)
    assert not plt.get_fignums()


def test_the_table_holds_what_was_drawn(picture):
    table = read_table(picture.data)
    x, y = np.array(table["training", "ours"], dtype=float).T
    np.testing.assert_array_equal(x, PASSES)
    np.testing.assert_allclose(y, LOSS, rtol=1e-9)
    assert table["training", "published"] == [
        ("0", "2.3"),
        ("2", "1.5"),
        ("400", "0"),
    ]  # what is not finite is no point
    assert table["accuracies", "runs of none"] == [("0.86", "none"), ("0.875", "none")]
    assert table["accuracies", "one"] == [("0.5", "none"), ("0.25", "trained on augmented")]
    assert table["accuracies", "other"] == [("0.25", "none"), ("0.5", "trained on augmented")]
    assert table["", "seed 0"] == [
        ("1", "0.019"),
        ("1", "0.02"),
        ("1", "0.021"),
        ("16", "0.2"),
        ("16", "0.25"),
        ("16", "0.3"),
    ]
    assert table["", "by eye"] == [("1", "0.01"), ("16", "0.15")]
    assert len(table) == 7


def test_the_marks_of_a_page_hold_the_table_as_far_as_it_is_seen(picture):
    table = {name: points for (_, name), points in read_table(picture.data).items()}
    marks = read_marks(picture.inline)
    assert sorted(name for _, name, *_ in marks) == sorted(table)
    for _, name, x, y in marks:
        points = table[name]
        if name == "published":
            points = points[:2]  # the last one lies outside the axes
        assert len(points) == len(x)
        for texts, values in zip((x, y), zip(*points, strict=True), strict=True):
            for text, value in zip(texts, values, strict=True):
                assert text == value or float(text) == pytest.approx(float(value), rel=5e-4)
    assert [panel for panel, *_ in marks][1:3] == ["training: loss (nats) against passes", "accuracies: accuracy"]


def test_every_point_is_drawn_and_stands_where_its_mark_says(picture):
    """Without simplification a path has as many vertices as the data, and marks say where they lie."""
    root = ElementTree.fromstring(picture.inline)
    space = {"": "http://www.w3.org/2000/svg"}
    ours, published = (root.find(f".//g[@data-name='{name}']", space) for name in ("ours", "published"))
    (path,) = ours.findall(".//path", space)
    vertices = np.array(re.findall(r"[ML](\S+) ([^MLz ]+)", path.get("d")), dtype=float)
    at = np.array([place.split(",") for place in ours.get("data-at").split()], dtype=float)
    assert len(vertices) == len(PASSES)
    np.testing.assert_allclose(at, vertices, atol=0.06)
    uses = [(float(use.get("x")), float(use.get("y"))) for use in published.iter(f"{{{space['']}}}use")]
    at = np.array([place.split(",") for place in published.get("data-at").split()], dtype=float)
    np.testing.assert_allclose(at, uses[:2], atol=0.06)


def test_marks_say_what_they_are_without_scripts(picture):
    root = ElementTree.fromstring(re.sub(' xmlns="[^"]*"', "", picture.inline, count=1))
    marks = root.findall(".//g[@class='mark']")
    assert [mark.get("tabindex") for mark in marks] == ["0"] + ["-1"] * 6
    said = {mark.get("data-name"): mark.find("title").text for mark in marks}
    assert said["ours"] == "ours: 300 points, from (0, 2.301) to (299, 0.006816)"
    assert said["runs of none"] == "runs of none: 2 points, from (0.86, none) to (0.875, none)"
    assert all(mark.get("aria-label") == mark.find("title").text and mark.get("role") == "img" for mark in marks)
    assert (root.get("role"), root.get("aria-label")) == ("group", ALT)


def test_a_page_gets_nothing_of_a_file_alone_and_no_style(picture):
    assert picture.inline.startswith("<svg ")
    for word in ("<?xml", "<!DOCTYPE", "metadata", "<style", "style=", "xlink", "rdf:"):
        assert word not in picture.inline
    assert len(picture.inline) < 0.75 * len(picture.svg)
    assert draw(make_figure(), "made", alt=ALT, caption="Made.").inline == picture.inline


def test_ids_of_two_plots_in_a_page_are_unlike_and_all_are_used(picture):
    other = draw(make_figure(), "other", alt=ALT, caption="Made.")
    page = picture.inline + other.inline
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 4
    assert set(ids) == set(re.findall(r'#(p[0-9a-f]{8}-[^")]+)', page))


def test_a_plot_without_marks_is_an_image():
    figure, (ax,) = style.panels(1, 1)
    ax.plot([0, 1], [0, 1])
    picture = draw(figure, "plain", alt="A line.", caption="A line.")
    assert 'role="img" aria-label="A line."' in picture.inline and "tabindex" not in picture.inline
    assert picture.data == "panel,name,x,y\n"


def test_colours_of_the_dark_are_those_of_the_files():
    assert '[stroke="#0072b2"]{stroke:#3d9be0}' in SCHEME
    assert "style*" not in SCHEME and "!important" not in SCHEME


# In a browser ------------------------------------------------------------------------------------------


@pytest.fixture
def open_plots(tmp_path, open_page):
    """A function that opens a page with plots, under a policy that takes no style or script but the page's own."""

    def open_made(*pictures, **options):
        rules, script = (TEMPLATES / "style.css").read_text() + SCHEME, (TEMPLATES / "marks.js").read_text()
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (rules, script))
        policy = "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'".format(*digests)
        page = tmp_path / "page.html"
        page.write_text(
            "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Made</title>"
            f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{rules}</style>'
            f"<main>{''.join(picture.inline for picture in pictures)}</main><script>{script}</script></html>"
        )
        return open_page(page, **options)

    return open_made


def point_at(page, name, index, *, aside=0):
    """Move the pointer to a point of a mark."""
    x, y = page.locator(f".mark[data-name='{name}']").first.evaluate(
        """(mark, index) => {
            const [x, y] = mark.dataset.at.split(" ")[index].split(",").map(Number);
            const at = new DOMPoint(x, y).matrixTransform(mark.ownerSVGElement.getScreenCTM());
            return [at.x, at.y];
        }""",
        index,
    )
    page.mouse.move(x + aside, y)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_mark_next_to_the_pointer_says_name_and_values(picture, open_plots, project, scheme, width):
    page = open_plots(picture, width=width, color_scheme=scheme)
    tip = page.locator(".mark-tip")
    assert not tip.is_visible()
    point_at(page, "ours", 50)
    assert tip.inner_text().splitlines() == ["ours", "passes: 50", "loss (nats): 0.8471"]
    assert page.locator(".mark.shown").get_attribute("data-name") == "ours"
    point_at(page, "ours", 299, aside=2)
    assert tip.inner_text().splitlines() == ["ours", "passes: 299", "loss (nats): 0.006816"]
    if width == 1280:
        point_at(page, "by eye", 1)
        assert tip.inner_text() == "by eye"  # an axis without a name says nothing
        box = tip.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width
    assert find_violations(page) == []
    screenshots = project / "results/test"
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / f"marks-{scheme}-{width}.png")
    page.mouse.move(5, 800)
    assert not tip.is_visible() and page.locator(".mark.shown").count() == 0
    assert page.said == []


def test_marks_are_read_by_keyboard(picture, open_plots):
    page = open_plots(picture)
    tip = page.locator(".mark-tip")
    page.keyboard.press("Tab")
    assert tip.inner_text().splitlines() == ["ours", "passes: 0", "loss (nats): 2.301"]
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert tip.inner_text().splitlines()[1] == "passes: 2"
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert tip.inner_text().splitlines()[1] == "passes: 0"
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().splitlines()[0] == page.evaluate("document.activeElement.dataset.name") == "published"
    assert page.locator(".mark[tabindex='0']").count() == 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    assert find_violations(page) == [] and page.said == []


def test_a_second_plot_is_a_stop_of_its_own(picture, open_plots):
    page = open_plots(picture, draw(make_figure(), "other", alt=ALT, caption="Made."))
    for _ in range(2):
        page.keyboard.press("Tab")
    assert (
        page.evaluate("[...document.querySelectorAll('svg.marks')].indexOf(document.activeElement.ownerSVGElement)")
        == 1
    )
    assert page.locator(".mark.shown").count() == 1


def test_lines_and_letters_follow_the_scheme(picture, open_plots):
    colours = {}
    for scheme in ("light", "dark"):
        page = open_plots(picture, color_scheme=scheme)
        colours[scheme] = page.evaluate(
            """() => [[".mark path", "stroke"], ["text", "fill"]].map(
                ([element, property]) => getComputedStyle(document.querySelector(element))[property])"""
        )
    assert colours == {
        "light": ["rgb(0, 114, 178)", "rgb(0, 0, 0)"],
        "dark": ["rgb(61, 155, 224)", "rgb(232, 235, 240)"],
    }


def test_texts_that_overlap_or_are_cut_off_are_found(tmp_path, open_page):
    figure, (ax,) = style.panels(1, 1)
    ax.text(0.5, 0.5, "one text")
    (tmp_path / "apart.svg").write_text(draw(figure, "apart", alt="A.", caption="A.").svg)
    assert find_overlaps(open_page(tmp_path / "apart.svg")) == []
    figure, (ax,) = style.panels(1, 1)
    for text in ("one text", "another"):
        ax.text(0.5, 0.5, text)
    figure.text(0.95, 0.02, "far too long a text")
    (tmp_path / "made.svg").write_text(draw(figure, "made", alt="A.", caption="A.").svg)
    found = find_overlaps(open_page(tmp_path / "made.svg"))
    assert "one text lies on another" in found and "far too long a text is cut off" in found
