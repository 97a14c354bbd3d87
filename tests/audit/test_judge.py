"""Verdicts and causes of numbers, from runs that are made here."""

import pytest

from gradlab.audit.judge import compare, describe_order, find_saved_order, judge
from gradlab.audit.runs import CodeCell, Failure, Run
from gradlab.lab.printed import Piece


@pytest.mark.parametrize(
    "before, now, verdict",
    [
        ("0.5", "0.50", "same"),
        ("1,000", "1000", "same"),
        ("nan", "nan", "same"),
        ("0", "-0", "same"),
        ("1.0000000", "1.0000005", "close"),
        ("0.123", "0.124", "close"),
        ("0.123", "0.125", "differs"),
        ("0.1", "0.2", "differs"),  # the last of one digit is all of it
        ("3", "4", "differs"),
        ("123", "124", "differs"),
        ("1.23e-5", "1.24e-5", "close"),
        ("nan", "1", "differs"),
        ("inf", "-inf", "differs"),
        ("0", "1e-9", "differs"),
        ("1", None, "lost"),
    ],
)
def test_two_printed_numbers_are_compared(before, now, verdict):
    assert compare(before, now) == verdict


def cell(text, source="pass", **given):
    return CodeCell(source, (Piece("stdout", text),) if text else (), **given)


def run(name, *cells, stopped="", rounding=None):
    return Run(name, rounding, cells, stopped, 1.0, (), {"python": "3.11.7"})


def verdicts(published, **runs):
    made = {name.replace("_", " "): run(name, *cells) for name, cells in runs.items()}
    return [(entry.verdict, entry.cause) for entry in judge(published, made)]


def test_what_comes_out_once_and_not_again_is_not_the_same():
    assert verdicts([cell("x 1\n")], first=[cell("x 1\n")], second=[cell("x 2\n")]) == [("differs", "unseeded")]
    assert verdicts([cell("x 1\n")], first=[cell("x 1\n")], second=[cell("")]) == [("lost", "unseeded")]


def test_what_moves_with_the_processors_instructions_is_not_the_same():
    runs = {"first": [cell("x 1\n")], "second": [cell("x 1\n")], "rounding": [cell("x 2\n")]}
    assert verdicts([cell("x 1\n")], **runs, rounding_again=[cell("x 2\n")]) == [("differs", "rounding")]
    assert verdicts([cell("x 1\n")], **runs, rounding_again=[cell("x 3\n")]) == [("differs", "unseeded")]


def test_a_cell_that_fails_in_one_run_alone_is_unseeded():
    failed = cell("", failure=Failure("ValueError", "by chance"))
    assert verdicts([cell("x 1\n")], first=[cell("x 1\n")], second=[failed]) == [("failed", "unseeded")]


def test_what_the_saved_order_prints_was_the_order():
    published = [cell("", count=1), cell("x 1\n", count=3), cell("", count=2)]
    others = [cell(""), cell("x 2\n"), cell("")]
    tried = {"first": others, "second": others}
    right, wrong = [cell(""), cell("x 1\n"), cell("")], [cell(""), cell("x 3\n"), cell("")]
    assert verdicts(published, **tried, saved_order=right) == [("differs", "order of execution")]
    assert verdicts(published, **tried, saved_order=wrong) == [("differs", "unexplained")]


def test_the_order_is_read_off_the_counts():
    assert describe_order([cell("", count=1), cell("", count=2)]) == ""
    assert "count [1]" in describe_order([cell("", count=2), cell("", count=1)])
    assert "up to [9]" in describe_order([cell("", count=1), cell("", count=9)])
    assert find_saved_order([cell("", count=2), cell("", count=1)]) == [1, 0]
    assert find_saved_order([cell("", count=1), cell("", count=2)]) is None
