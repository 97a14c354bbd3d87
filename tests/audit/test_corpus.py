"""Notebooks of which it is known what becomes of every number, and why, are audited as is known."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from audit.corpus import list_cases, write_case
from bs4 import BeautifulSoup

from gradlab.audit.examine import audit_notebook
from gradlab.audit.page import render_audit


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    def audit(name, case):
        folder = tmp_path_factory.mktemp(name)
        return audit_notebook(write_case(case, folder / f"{name}.ipynb"), folder / "out", limits=case.limits)

    with ThreadPoolExecutor(2) as pool:
        waiting = {name: pool.submit(audit, name, case) for name, case in list_cases().items()}
        return {name: audit.result() for name, audit in waiting.items()}


@pytest.fixture(scope="module")
def pairs(audits):
    """What has to be said and what was said of every number, with its notebook."""
    found = []
    for name, case in list_cases().items():
        said = [(entry.verdict, entry.cause) for entry in audits[name].entries]
        assert len(said) == len(case.expected), (name, said)
        found += [(name, *both) for both in zip(case.expected, said, strict=True)]
    return found


def test_nearly_all_verdicts_and_causes_are_right(pairs):
    wrong = [pair for pair in pairs if pair[1] != pair[2]]
    assert len(wrong) <= 0.05 * len(pairs), wrong


def test_nothing_that_differs_passes_for_the_same(pairs):
    assert [pair for pair in pairs if pair[2][0] == "same" and pair[1][0] != "same"] == []


def test_every_audit_has_a_page_that_marks_its_numbers(audits, tmp_path):
    for name, audit in audits.items():
        render_audit(audit, tmp_path / f"{name}.html")
        page = BeautifulSoup((tmp_path / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        assert len(page.select(".marks-of ol a")) == len(page.select(".number[id]")) == len(audit.entries), name
        assert len(page.select("tr[id^=why-]")) == sum(audit.causes.values()), name


@pytest.mark.parametrize(
    "name, said",
    [
        ("widgets", "It shows 1 widget, whose numbers are in no saved file."),
        ("R", "It is in r, for which the audit has no kernel: nothing was run."),
        ("endless", "The first run was stopped: it took more than 3 s."),
        ("order", "Not run from top to bottom when it was saved: code cell 3 has the count [2]"),
        ("order", "Other instructions of the processor were not tried: it loads no library that makes use of them."),
    ],
)
def test_a_reader_is_told_what_else_there_is_to_know(name, said, audits):
    assert any(note.startswith(said) for note in audits[name].notes), audits[name].notes
