"""The section that any study has in the report, where it has none of its own."""

import pytest
from bs4 import BeautifulSoup

CLAIMS = """
def _steepest(material):
    slope = material.metric("published/jump", "jump.slope")
    return None if slope is None else f"the steepest slope is {slope:g}."

CONCLUSIONS = {_steepest: ("published/*",)}
HEADLINES = CONCLUSIONS
PRINCIPAL = ("jump.*",)
"""
SECTION = """
from gradlab.report.blocks import Text, show_figure

def show(material):
    done = [cell for cell in material.results.values() if cell.status == "done"]
    return [show_figure(cell, "graph", cell.protocol) for cell in done]
"""


@pytest.fixture
def section(made):
    """A function that renders the report, and returns the section of the study `slopes` in it."""
    return lambda: made.parse().select_one("#slopes")


@pytest.fixture
def everything(made):
    """A function that returns what the page of the study `slopes` shows, without its gallery of cells, once it is rendered."""

    def read():
        html = (made.root / "pages/slopes.html").read_text(encoding="utf-8")
        found = BeautifulSoup(html, "html.parser").select_one("main")
        for part in found.select(".families"):
            part.decompose()
        return found

    return read


def read_tables(section):
    """The rows of a section's tables, header first, by caption."""
    return {
        box["aria-label"]: [[cell.get_text() for cell in row.select("th, td")] for row in box.select("tr")]
        for box in section.select(".scroll")
    }


def links_of(section):
    """Where the texts of a section's tables lead."""
    return {link.get_text(): link["href"] for link in section.select("table a")}


def as_typed(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_study_is_shown_with_its_conclusions_and_all_of_it_on_a_page_of_its_own(made, section, everything):
    figures = [
        {"id": "jump.slope", "value": "-1728", "claim": "slope of a jump"},
        {"id": "power.slope", "value": "4", "claim": "slope of x⁴ at 1"},
    ]
    made.add_study("slopes", figures, claims=CLAIMS)
    jump, power = "slopes/published/jump", "slopes/published/power"
    made.plan(
        {
            jump: {
                "metrics": ["jump.slope", "jump.steps", "jump.places"],
                "figures": ["graph.svg", "close_up.svg"],
                "files": ["answers.json"],
            },
            power: {"metrics": ["power.slope"], "figures": ["graph.svg"]},
        }
    )
    made.finish(jump, {"jump.slope": -1728.0, "jump.steps": 12, "jump.places": [0.5, 1.0]})
    made.finish(power, {"power.slope": 4.0})
    shown = section()
    assert shown.select_one(".question").get_text() == "What are slopes?"
    assert shown.select_one(".conclusions li").contents[0].strip() == "The steepest slope is -1728."
    (rows,) = read_tables(shown).values()
    assert rows[1:] == [["slope of a jump", "-1728", "-1728", "= exact: slope of a jump same digits"]]
    assert links_of(shown)["-1728"] == f"pages/{jump}.html"
    assert "ledger.html#figure-slopes-jump.slope" in links_of(shown).values()
    # Without a plot that says a finding, the first one stands there, under the headline.
    (figure,) = shown.select("figure")
    assert figure.select_one(".finding").get_text() == "The steepest slope is -1728."
    assert [link["href"] for link in figure.select("a")] == [
        f"pages/{jump}.html",
        f"{jump}/curves.csv",
        f"{jump}/graph.svg",
    ]
    assert shown.select_one(".more a")["href"] == "pages/slopes.html"
    shown = everything()
    assert read_tables(shown) == {
        "The published figures beside ours.": [
            ["Figure", "Published", "Ours", "Verdict"],
            ["slope of a jump", "-1728", "-1728", "= exact"],
            ["slope of x⁴ at 1", "4", "4", "= exact"],
        ],
        # A list that is not over seeds is no number.
        "What else was measured; over several seeds, the mean with its 95 % interval.": [
            ["Metric", "Cell", "Ours"],
            ["jump.steps", "jump, published", "12"],
        ],
    }
    assert links_of(shown) == {
        "-1728": f"../pages/{jump}.html",
        "4": f"../pages/{power}.html",
        "12": f"../pages/{jump}.html",
    }
    assert [heading.get_text() for heading in shown.select("h2")] == ["jump, published", "power, published", "Cells"]
    pictures = [(figure.img["src"], figure.figcaption.contents[0].strip()) for figure in shown.select("figure")]
    assert pictures == [
        (f"../{jump}/graph.svg", "jump: graph."),
        (f"../{jump}/close_up.svg", "jump: close up."),
        (f"../{power}/graph.svg", "power: graph."),
    ]
    assert len(shown.select(".side-by-side figure")) == 2
    assert [answer.get_text() for answer in shown.select(".answers dt")] == ["Is 1 < 2?"]


def test_the_first_screen_has_headlines_and_a_mark_for_each_figure_and_log(made):
    figures = [{"id": "jump.slope", "value": "-1728"}, {"id": "power.slope", "value": "4"}]
    made.add_study("slopes", figures, logs={"jump": "x,loss\n0,0.50\n1,0.25\n"}, claims=CLAIMS)
    made.plan(
        {"slopes/published/jump": {"metrics": ["jump.slope"]}, "slopes/published/power": {"metrics": ["power.slope"]}}
    )
    made.finish("slopes/published/jump", {"jump.slope": -1728.0}, curves=["0,loss,0.5", "1,loss,0.25"])
    made.finish("slopes/published/power", {"power.slope": 3.0})
    page = made.parse()
    (headline,) = page.select(".findings li")
    assert (headline.contents[0].strip(), headline.a["href"]) == ("The steepest slope is -1728.", "#slopes")
    marks = [(mark["href"], mark["title"], mark["class"][1:]) for mark in page.select(".tally li a")]
    assert marks == [
        ("ledger.html#figure-slopes-jump.slope", "jump.slope: published -1728, ours -1728: exact", ["exact"]),
        ("ledger.html#log-slopes-jump", "log of jump, 2 numbers: exact", ["exact", "log"]),
        (
            "ledger.html#figure-slopes-power.slope",
            "power.slope: published 4, ours 3: not reproduced",
            ["not-reproduced"],
        ),
    ]
    assert page.select_one(".tally h3 .quiet").get_text() == "3 exact, 1 not reproduced"
    assert [item.get_text().split() for item in page.select(".key li")] == [["exact", "3"], ["not", "reproduced", "1"]]
    ids = {row["id"] for row in BeautifulSoup((made.root / "ledger.html").read_text(), "html.parser").select("tr[id]")}
    assert {address.partition("#")[2] for address, *_ in marks} <= ids


def test_runs_under_several_seeds_are_taken_together_and_stand_beside_the_published_figure(made, everything):
    made.add_study("slopes", [{"id": "final.slope", "value": "1.5"}])
    keys = [f"slopes/corrected/final-{seed}" for seed in range(3)]
    plots = {"figures": ["graph.svg"]}
    metrics = ["final.slope", "final.error"]
    made.plan(
        {"slopes/published/final": {"metrics": metrics[:1], **plots}}
        | {key: {"metrics": metrics, "replicates": [seed], **plots} for seed, key in enumerate(keys)}
    )
    made.finish("slopes/published/final", {"final.slope": 1.5})
    for seed, key in enumerate(keys):
        made.finish(key, {"final.slope": 1.0 + seed, "final.error": None if seed else 0.25})
    made.render()
    shown = everything()
    tables = read_tables(shown)
    ((*_, verdict, corrected),) = tables["The published figures beside ours."][1:]
    # 1, 2, 3: standard error 1/√3, t = 4.3027 with 2 degrees of freedom.
    assert (verdict, as_typed(corrected)) == ("= exact", "2 ([-0.4841, 4.4841], n = 3)")
    (row,) = list(tables.values())[1][1:]
    assert row == ["final.error", "final-0 … 2, corrected", "0.25 (1 of 3 runs)"]
    assert links_of(shown)[corrected] == "../pages/slopes.html#cells-slopes-corrected-final-n"
    assert [image["src"] for image in shown.select("figure img")] == [
        "../slopes/published/final/graph.svg",
        f"../{keys[0]}/graph.svg",
    ]


def test_cells_that_differ_in_more_than_their_seed_are_shown_one_by_one(made, everything):
    made.add_study("slopes")
    sizes = {f"slopes/published/{size}": {"metrics": ["slope"], "replicates": [0]} for size in (1, 2)}
    made.plan(sizes)
    for key, slope in zip(sizes, (0.5, 0.25), strict=True):
        made.finish(key, {"slope": slope})
    made.render()
    (rows,) = read_tables(everything()).values()
    assert rows[1:] == [["slope", "1, published", "0.5"], ["slope", "2, published", "0.25"]]


def test_a_study_of_which_nothing_ran_says_so(made, section):
    made.add_study("slopes", [{"id": "jump.slope", "value": "0"}], claims=CLAIMS)
    made.plan({"slopes/published/jump": {"metrics": ["jump.slope"]}})
    shown = section()
    assert "No cell of this study has run." in shown.get_text()
    assert not shown.select("figure, .conclusions")
    (rows,) = read_tables(shown).values()
    assert rows[1:] == [["jump.slope", "0", "–", "– not run: jump.slope not compared"]]


def test_a_report_without_a_figure_or_an_error_has_no_such_table(made):
    made.add_study("slopes")
    made.plan({"slopes/published/jump": {}})
    made.finish("slopes/published/jump")
    report = made.parse()
    assert not report.select(".numbers, .findings, #errata, a[href='#errata']")
    assert "No cell of this study has run." not in report.get_text()


def test_cells_of_one_name_in_both_protocols_keep_their_own_plots(made, everything):
    made.add_study("slopes", section=SECTION)
    keys = ["slopes/published/jump", "slopes/corrected/jump"]
    made.plan({key: {"figures": ["graph.svg"]} for key in keys})
    for key in keys:
        made.finish(key)
    made.render()
    assert [image["src"] for image in everything().select("figure img")] == [f"../{key}/graph.svg" for key in keys]
