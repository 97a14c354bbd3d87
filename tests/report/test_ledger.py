"""The page of the ledger: its rows from made entries, and a page as long as the real one in a real Chromium."""

import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from made_report import describe_study
from made_report import make_entry as entry
from workflow.conftest import find_violations

import gradlab.report
from gradlab.engine.figures import CAUSES
from gradlab.engine.ledger import Ledger, LogEntry, count_causes, count_verdicts
from gradlab.engine.material import Material
from gradlab.engine.verdicts import VERDICTS
from gradlab.report.ledger import render_ledger
from gradlab.report.links import Links

STYLE = Path(gradlab.report.__file__).with_name("templates") / "style.css"


def log_entry(**given):
    known = {"id": "a", "study": "slopes", "claim": "log a", "source": "M 1", "rule": "follows", "measure": "loss"}
    judged = {
        "numbers": 2,
        "verdicts": {"exact": 2},
        "verdict": "exact",
        "cause": "same digits",
        "power": None,
        "note": "",
    }
    return LogEntry(**known | judged | given)


def render(root, figures=(), rows=(), logs=()):
    """Write the page of a ledger whose cells have not run."""
    names = dict.fromkeys(item.study for item in (*figures, *logs))
    studies = {name: describe_study(name) for name in names}
    materials = {
        name: Material(study, {}, [e for e in figures if e.study == name], [log for log in logs if log.study == name])
        for name, study in studies.items()
    }
    return render_ledger(Ledger(figures, rows, logs), materials, studies, Links({}, root), root)


def parse(page):
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def texts(row):
    return [cell.get_text().replace("\N{NO-BREAK SPACE}", " ") for cell in row.select("th, td")]


# Rows ----------------------------------------------------------------------------------------------


def test_a_figure_has_its_number_and_ours_the_verdict_and_its_evidence(tmp_path):
    judged = {"verdict": "not reproduced", "cause": "chosen by eye", "power": 0.333, "note": "95 % interval"}
    seeds = {"reproduced": [0.75, 0.25, 1.25], "low": 0.6, "high": 0.9, "difference": 0.25, "why": "by <eye>"}
    page = parse(render(tmp_path, [entry(id="rate", source="N 1", origin="plot", **judged, **seeds)]))
    row = page.find(id="figure-slopes-rate")
    assert texts(row) == [
        "Slopes",
        "a slope",
        "N 1",
        "0.5read off a plot",
        "0.75[0.6, 0.9], n = 3",
        "+0.25",
        "not reproduced",
        "chosen by eye95 % interval; by <eye>",
        "0.33",
    ]
    assert row.select_one(".verdict.not-reproduced")["data-symbol"] == "≠"
    assert "by &lt;eye&gt;" in str(row)


@pytest.mark.parametrize(
    "difference, printed",
    [(None, "–"), (0.0, "0"), (-0.00012345, "-0.00012"), (3.0, "+3"), (-123.4, "-123")],
)
def test_a_difference_has_its_sign_and_two_digits(tmp_path, difference, printed):
    page = parse(render(tmp_path, [entry(id="one", difference=difference)]))
    assert texts(page.find(id="figure-slopes-one"))[5] == printed


def test_what_a_misprint_means_stands_below_it(tmp_path):
    page = parse(render(tmp_path, [entry(id="one", verdict="not reproduced", meant="0.7", note="as the log has it")]))
    row = texts(page.find(id="figure-slopes-one"))
    assert row[3] == "0.5meant: 0.7" and row[7].endswith("as the log has it")


def test_a_figure_that_is_read_off_a_log_leads_to_the_evidence_of_the_log(tmp_path):
    follows = {"rule": "follows", "log": "a", "note": "the correlation is 0.9"}
    figures = [
        entry(id="read", verdict="reproduced", **follows),
        entry(id="same", verdict="exact", **follows),
        entry(id="not_run", verdict="not run", **follows | {"note": "the cell failed"}),
    ]
    rows = [entry(id="a.x_0.loss", log="a"), entry(id="a.x_1.loss", log="a")]
    page = parse(render(tmp_path, figures, rows, [log_entry()]))
    read, same, not_run = (page.find(id=f"figure-slopes-{figure.id}") for figure in figures)
    assert page.find(id=read.select_one("td a")["href"].removeprefix("#"))["class"] == ["log"]
    assert "correlation" not in read.get_text() + same.get_text()
    assert not same.select("a") and not not_run.select("a")
    assert "the cell failed" in not_run.get_text()


def test_numbers_of_a_log_share_its_evidence_and_one_judged_by_another_rule_has_its_own(tmp_path):
    judged = {"verdict": "not reproduced", "cause": "chaotic growth of rounding", "power": 1.0, "note": "r = 0.1"}
    counted = {"numbers": 3, "verdicts": {"exact": 1, "not reproduced": 2}}
    rows = [
        entry(
            id="a.x_0.loss", log="a", claim="log a, x 0: loss", published="0.50", reproduced=0.501, cause="same digits"
        ),
        entry(id="a.x_1.loss", log="a", published="0.25", reproduced=0.3, **judged),
        entry(id="a.x_2.loss", log="a", **judged | {"note": "meant is 0.831", "cause": "misprint"}),
    ]
    page = parse(render(tmp_path, rows=rows, logs=[log_entry(**counted, **judged)]))
    body = page.find(id="log-slopes-a").parent
    assert [row["id"] for row in body.select("tr")] == ["log-slopes-a", *(f"figure-slopes-{row.id}" for row in rows)]
    log, exact, off, misprint = map(texts, body.select("tr"))
    numbers = "log alog a, 3 numbers: 1 exact, 2 not reproduced"
    assert log == ["Slopes", numbers, "M 1", "r = 0.1", "not reproduced", "chaotic growth of rounding", "1.00"]
    assert exact[1] == "log a, x 0: loss" and exact[3:5] == ["0.50", "0.50"]
    assert off[3:5] == ["0.25", "0.30"] and off[7] == "chaotic growth of rounding"
    assert misprint[4] == "–" and misprint[7] == "misprintmeant is 0.831"


def test_a_log_leads_to_its_notebook_and_has_every_number_of_a_report(made):
    made.add_study("slopes", logs={"jump": "x,loss\n0,0.50\n1,0.25\n"})
    made.plan({"slopes/published/jump": {}})
    made.finish("slopes/published/jump", curves=["0,loss,0.501", "1,loss,0.3"])
    made.render()
    assert [row[3:5] for row in made.read_ledger().values()][1:] == [["0.50", "0.50"], ["0.25", "0.30"]]
    page = parse(made.root / "ledger.html")
    assert page.select_one("#log-slopes-jump a")["href"] == "pages/slopes/published/jump.html"
    assert page.select_one("nav a[href='#log-slopes-jump']")


def test_ours_leads_to_its_notebook_and_the_corrected_runs_stand_below_it_with_their_interval(made):
    made.add_study("slopes", [{"id": "steep", "value": "0.5"}])
    seeds = {f"slopes/corrected/run-{seed}": {"metrics": ["steep"], "replicates": [seed]} for seed in (1, 2, 3)}
    made.plan({"slopes/published/run": {"metrics": ["steep"]}, **seeds})
    made.finish("slopes/published/run", {"steep": 0.5})
    for key, value in zip(seeds, (0.6, 0.7, 0.8), strict=True):
        made.finish(key, {"steep": value})
    made.render()
    ours, corrected = parse(made.root / "ledger.html").select("#figure-slopes-steep td a")
    assert (ours.get_text(), ours["href"]) == ("0.5 (slopes/published/run)", "pages/slopes/published/run.html")
    # Three runs with the standard deviation 0.1: 0.7 ± 4.303 · 0.1 / √3.
    assert corrected.get_text().replace("\N{NO-BREAK SPACE}", " ").startswith("0.7 [0.4516, 0.9484], n = 3")
    assert corrected["href"] == "pages/slopes.html#cells-slopes-corrected-run-n"


def test_a_ledger_without_a_number_says_so_and_needs_no_script(tmp_path):
    page = parse(render(tmp_path))
    assert "no published figure" in page.main.get_text()
    assert not page.select("script, form, table")


# A page as long as the real one --------------------------------------------------------------------

FIGURES, PASSES, LOGS = 80, 160, 7
MEASURES = ("train_loss", "train_accuracy")


def judge(number):
    verdict = VERDICTS[number % 5]
    cause = {"exact": "same digits", "not run": "not compared"}.get(verdict, CAUSES[1 + number % 3])
    ours = {} if verdict == "not run" else {"reproduced": number / 1000, "difference": (number % 7 - 3) / 1000}
    return {"verdict": verdict, "cause": cause, "power": (number % 3) / 2, "published": f"{number / 1000:.3f}", **ours}


@pytest.fixture(scope="module")
def numbers():
    """82 figures of two studies, and 2,240 numbers in seven logs of each kind of verdict and cause."""
    studies = ("slopes", "areas")
    figures = [
        entry(id=f"figure_{n}", study=studies[n % 2], claim=f"figure {n}", source=f"N {n}", note="as it is", **judge(n))
        for n in range(FIGURES)
    ]
    rows = [
        entry(
            id=f"{log}.pass_{place}.{measure}",
            study=studies[log % 2],
            log=str(log),
            claim=f"setting {log}, pass {place}: {measure.replace('_', ' ')}",
            source=f"N {log}",
            note="the evidence",
            **judge(log + place),
        )
        for log in range(LOGS)
        for place in range(PASSES)
        for measure in MEASURES
    ]
    logs = [
        log_entry(
            id=str(log), study=studies[log % 2], claim=f"setting {log}", note="the evidence", verdict="reproduced"
        )
        for log in range(LOGS)
    ]
    return Ledger(figures, rows, logs)


@pytest.fixture(scope="module")
def file(numbers, tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    (root / "pages").mkdir()
    shutil.copy(STYLE, root / "pages")
    return render(root, numbers.figures, numbers.rows, numbers.logs)


def test_the_page_is_light_and_each_number_has_an_address(file, numbers):
    assert file.stat().st_size < 350 * len(numbers.entries)
    ids = [element["id"] for element in parse(file).select("[id]")]
    assert len(ids) == len(set(ids))
    assert set(ids) == {f"figure-{number.study}-{number.id}" for number in numbers.entries} | {
        f"log-{log.study}-{log.id}" for log in numbers.logs
    }


ROWS = "tbody tr:not(.log)"


def shown(page):
    """The ids of the rows of numbers that the next frame shows, in their order."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
    return page.locator(ROWS).evaluate_all("rows => rows.filter(row => row.checkVisibility()).map(row => row.id)")


def shown_logs(page):
    return page.locator("tbody tr.log").evaluate_all("rows => rows.filter(row => row.checkVisibility()).length")


def select(numbers, **facts):
    """The ids of the numbers that have these facts, in the order of the page."""
    names = {entry.id: f"figure-{entry.study}-{entry.id}" for entry in numbers.entries}
    of_studies = [
        e for study in ("slopes", "areas") for part in (numbers.figures, numbers.rows) for e in part if e.study == study
    ]
    return [names[e.id] for e in of_studies if all(getattr(e, name) in values for name, values in facts.items())]


def check(page, name, value):
    page.locator(f"input[name={name}][value='{value}']").check()


def fragment(page):
    return unquote(page.evaluate("location.hash")).replace("+", " ")


def counts(page, name):
    """What the choices of a group count."""
    labels = page.locator(f"label:has(input[name={name}])")
    return labels.evaluate_all(
        "all => Object.fromEntries(all.map(label => [label.control.value, +label.querySelector('.count').textContent]))"
    )


def test_without_scripts_the_table_is_complete(file, open_page, numbers):
    page = open_page(file, java_script_enabled=False)
    assert page.locator(f"{ROWS}:visible").count() == len(numbers.entries)
    assert page.locator("tr.log:visible").count() == LOGS
    assert not page.locator("form").is_visible()
    assert page.said == []


def test_it_asks_for_nothing_and_runs_no_other_script(file, open_page):
    page = open_page(file)
    assert page.asked == [file.as_uri()]
    assert page.said == []
    page.evaluate(
        "() => { const bad = document.createElement('script'); bad.text = 'taken = 1'; document.body.append(bad); }"
    )
    assert page.evaluate("typeof taken") == "undefined"
    assert "Content Security Policy" in page.said[0]


def test_choices_of_a_group_add_rows_and_groups_leave_what_both_have(file, open_page, numbers):
    page = open_page(file)
    total = len(numbers.entries)
    assert page.locator("output").inner_text() == f"{total:,} of {total:,} numbers"
    check(page, "verdict", "exact")
    check(page, "verdict", "not run")
    chosen = ("exact", "not run")
    assert shown(page) == select(numbers, verdict=chosen)
    check(page, "study", "slopes")
    assert shown(page) == select(numbers, verdict=chosen, study=("slopes",))
    assert shown_logs(page) == 4
    check(page, "kind", "figure")
    assert shown(page) == [name for name in select(numbers, verdict=chosen, study=("slopes",)) if "pass" not in name]
    assert shown_logs(page) == 0
    assert page.locator("output").inner_text() == f"{len(shown(page))} of {total:,} numbers"
    assert fragment(page) == "#?study=slopes&kind=figure&verdict=exact&verdict=not run"


def test_a_choice_counts_what_the_other_groups_leave_to_it(file, open_page, numbers):
    page = open_page(file)
    verdicts, causes = count_verdicts(numbers.entries), count_causes(numbers.entries)
    assert counts(page, "verdict") == verdicts and counts(page, "cause") == causes
    check(page, "verdict", "exact")
    assert counts(page, "verdict") == verdicts
    assert counts(page, "cause") == {cause: verdicts["exact"] if cause == "same digits" else 0 for cause in causes}
    page.locator("input[type=search]").fill("nothing like this")
    assert {*counts(page, "verdict").values(), *counts(page, "cause").values()} == {0}


def test_text_is_searched_by_keyboard_in_claims_ids_and_evidence(file, open_page, numbers):
    page = open_page(file)
    page.locator("input[type=search]").focus()
    page.keyboard.type("SETTING 3, pass 112: loss")
    assert shown(page) == ["figure-areas-3.pass_112.train_loss"]
    assert fragment(page) == "#?text=SETTING 3, pass 112: loss"
    page.keyboard.press("Control+A")
    page.keyboard.type("6.pass_7.")
    assert shown(page) == [f"figure-slopes-6.pass_7.{measure}" for measure in MEASURES]
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert len(shown(page)) == len(numbers.entries)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    last = page.locator("input[name=cause]").last
    assert last.is_checked()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert shown(page) == select(numbers, cause=(last.get_attribute("value"),))


def test_the_address_keeps_filter_and_order_over_reload_back_and_forward(file, open_page, numbers):
    page = open_page(file)
    check(page, "verdict", "exact")
    page.get_by_role("button", name="Ours").click()
    page.locator("input[type=search]").press_sequentially("pass 1")
    assert fragment(page) == "#?verdict=exact&text=pass 1&sort=ours"
    before = shown(page)
    assert 0 < len(before) < len(select(numbers, verdict=("exact",)))
    page.reload()
    assert shown(page) == before
    assert page.locator("input:checked").count() == 1
    page.go_back()  # before all that was typed
    assert fragment(page) == "#?verdict=exact&sort=ours"
    assert len(shown(page)) == len(select(numbers, verdict=("exact",)))
    page.go_back()
    assert shown(page) == select(numbers, verdict=("exact",))
    page.go_back()
    assert shown(page) == select(numbers)
    for _ in range(3):
        page.go_forward()
    assert shown(page) == before
    assert page.said == []


def test_a_button_clears_filter_and_order(file, open_page, numbers):
    page = open_page(file)
    check(page, "verdict", "exact")
    page.get_by_role("button", name="Ours").click()
    page.locator("input[type=search]").fill("pass")
    page.get_by_role("button", name="Clear").click()
    assert shown(page) == select(numbers)
    assert page.locator("input:checked, [aria-sort]").count() == 0
    assert page.locator("input[type=search]").input_value() == ""
    page.go_back()
    assert fragment(page) == "#?verdict=exact&text=pass&sort=ours"


@pytest.mark.parametrize("state", ["sort=nothing", "verdict=nothing&study=", "verdict=%E0%A4%A", "?&=&text="])
def test_an_address_of_nothing_shows_all(file, open_page, numbers, state):
    page = open_page(file)
    page.goto(f"{file.as_uri()}#?{state}")
    page.reload()
    assert shown(page) == select(numbers)
    assert shown_logs(page) == LOGS
    assert page.said == []


# Addresses of rows ---------------------------------------------------------------------------------


# Whether a row is the only one that is marked, lies in sight, and below the header that stays.
IS_MARKED = """name => {
    const row = document.getElementById(name), {top, bottom} = row.getBoundingClientRect();
    return row.matches(":target") && getComputedStyle(row).outlineStyle === "solid" && bottom <= innerHeight
        && top >= document.querySelector("thead").getBoundingClientRect().bottom - 1;
}"""


TARGETS = ("log-areas-5", "figure-slopes-6.pass_155.train_accuracy", "figure-areas-figure_3")


@pytest.mark.parametrize("name", TARGETS)
def test_an_address_of_a_row_shows_and_marks_it(file, open_page, name):
    page = open_page(file)
    page.goto(f"{file.as_uri()}#{name}")
    page.wait_for_function("() => scrollY > 0")
    page.reload()
    page.wait_for_function(f"name => ({IS_MARKED})(name)", arg=name, timeout=5000)


@pytest.mark.parametrize("name", TARGETS)
def test_an_address_of_a_row_clears_a_filter_that_hides_it_and_one_step_back_brings_it_back(
    file, open_page, numbers, name
):
    page = open_page(file)
    page.locator("input[type=search]").fill("figure 7")
    page.get_by_role("button", name="Published").click()
    before = shown(page)
    assert name not in before
    page.evaluate("name => { location.hash = name; }", name)
    page.wait_for_function("() => !document.querySelector('input[type=search]').value")
    assert shown(page) == select(numbers)
    page.wait_for_function(f"name => ({IS_MARKED})(name)", arg=name, timeout=5000)
    assert page.locator("[aria-sort]").count() == 0
    page.go_back()
    assert shown(page) == before
    page.go_forward()
    page.wait_for_function(f"name => ({IS_MARKED})(name)", arg=name, timeout=5000)


def test_clear_does_not_go_to_the_row_that_one_came_for(file, open_page):
    page = open_page(file)
    page.goto(f"{file.as_uri()}#{TARGETS[1]}")
    page.wait_for_function("() => scrollY > 0")
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate("scrollY") < 1000


# Sorting -------------------------------------------------------------------------------------------


def column(page, number):
    return page.locator(ROWS).evaluate_all("(rows, number) => rows.map(row => row.cells[number].textContent)", number)


def test_rows_are_sorted_by_size_and_what_is_missing_comes_last(file, open_page, numbers):
    page = open_page(file)
    header = page.get_by_role("columnheader", name="Difference")
    for order, sign in (("ascending", 1), ("descending", -1)):
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == order
        values = column(page, 5)
        known = [sign * float(value) for value in values if value != "–"]
        assert known == sorted(known) and len(set(known)) == 7
        assert values[len(known) :] == ["–"] * sum(number.difference is None for number in numbers.entries)
        assert shown_logs(page) == 0
    header.get_by_role("button").click()
    assert page.locator("[aria-sort]").count() == 0
    assert shown(page) == select(numbers) and shown_logs(page) == LOGS


@pytest.mark.parametrize(
    "name, number, order",
    [("Verdict", 6, VERDICTS), ("Cause", 7, CAUSES), ("Study", 0, ("Slopes", "Areas"))],
)
def test_what_the_filter_offers_is_sorted_in_its_order(file, open_page, name, number, order):
    page = open_page(file)
    page.get_by_role("button", name=name).click()
    places = [order.index(value.removesuffix("as it is")) for value in column(page, number)]
    assert places == sorted(places) and len(set(places)) > 1


def test_texts_are_sorted_by_keyboard_with_numbers_in_them_by_size(file, open_page, numbers):
    page = open_page(file)
    page.get_by_role("button", name="Number").focus()
    page.keyboard.press("Enter")
    claims = column(page, 1)
    assert claims[:FIGURES] == [f"figure {n}" for n in range(FIGURES)]
    assert claims[FIGURES : FIGURES + 4] == [
        f"setting 0, pass {place}: train {measure}" for place in (0, 1) for measure in ("accuracy", "loss")
    ]
    page.keyboard.press("Space")
    assert column(page, 1) == claims[::-1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Source"


# Speed ---------------------------------------------------------------------------------------------

# From an input to the end of the frame that shows what it changed, in milliseconds.
TIME = """act => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(performance.now() - start);
    const start = performance.now();
    requestAnimationFrame(() => port2.postMessage(0));
    (%s)();
})"""
CHANGES = {
    "filter": "() => document.querySelector('input[name=verdict]').click()",
    "text": """() => {
        const input = document.querySelector("input[type=search]");
        input.value = input.value ? "" : "pass 7";
        input.dispatchEvent(new Event("input", { bubbles: true }));
    }""",
    "sort": "() => document.querySelector('th[data-name=ours] button').click()",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_shown_within_a_quarter_of_a_second(file, open_page, change):
    page = open_page(file)
    times = [page.evaluate(TIME % CHANGES[change]) for _ in range(9)]
    # The machine may be slow and busy: the fastest of a few is what it takes; on a quick one it is a tenth.
    assert min(times) < 250, times


# Readers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_and_does_not_scroll_sideways(file, open_page, project, scheme, width):
    page = open_page(file, width=width, color_scheme=scheme)
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Difference").click()
    check(page, "verdict", "exact")
    page.locator(f"{ROWS}:visible").last.scroll_into_view_if_needed()
    assert find_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.said == []


def test_in_print_rows_are_whole_and_the_header_stands_on_every_page(file, open_page, numbers):
    page = open_page(file)
    page.emulate_media(media="print")
    look = """name => {
        const {display, breakInside, contentVisibility} = getComputedStyle(document.querySelector(name));
        return [display, breakInside, contentVisibility];
    }"""
    assert page.evaluate(look, "thead") == ["table-header-group", "avoid", "visible"]
    assert page.evaluate(look, "tbody tr") == ["table-row", "avoid", "visible"]
    assert not page.locator("form").is_visible()
    assert len(shown(page)) == len(numbers.entries)
