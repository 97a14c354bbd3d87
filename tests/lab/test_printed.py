"""Printed numbers are found, with their labels, and what is none of them is not."""

import pytest

from gradlab.audit.align import align
from gradlab.lab.printed import LONGEST, count_widgets, read_numbers, read_pieces


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def read(*outputs):
    return read_numbers(0, read_pieces(outputs))


@pytest.mark.parametrize(
    "line, expected",
    [
        ("loss: 0.51", ["0.51"]),
        ("acc=93.5%, n=-3", ["93.5", "-3"]),
        ("1e-3 and 1.5E+07", ["1e-3", "1.5E+07"]),
        ("total 1,234,567.5", ["1,234,567.5"]),
        ("(10000, 3072) [1. 2.5]", ["10000", "3072", "1", "2.5"]),
        ("nan inf -inf", ["nan", "inf", "-inf"]),
        ("10-5 is 5.", ["10", "5", "5"]),
        ("conv2d x1 v2 sha1 abc_3", []),
        ("tensor([0.5], device='cuda')", ["0.5"]),
        ("took 3ms, 4GB, 5x", ["3", "4", "5"]),
        ("\N{MINUS SIGN}2.5", ["\N{MINUS SIGN}2.5"]),
    ],
)
def test_numbers_are_told_from_words(line, expected):
    assert [number.text for number in read(stream(line + "\n"))] == expected


@pytest.mark.parametrize(
    "line, aside",
    [
        ("at 0x7f00deadbeef", ["address"]),
        ("2021-06-01 12:30:01", ["date"]),
        ("numpy 1.21.4", ["version"]),
        (" 50%|#### | 5/10 [00:01<00:01,  5.0it/s]", ["progress"] * 3 + ["date"] * 2 + ["progress"]),
        ("12.3 ms ± 1.2 ms per loop", ["time", "time"]),
        ("took 3.1 s", ["time"]),
        ("time: 3.1", ["timed"]),
        ("step 5", [""]),
    ],
)
def test_what_may_not_matter_is_told(line, aside):
    assert [number.aside for number in read(stream(line + "\n"))] == aside


def test_labels_are_the_words_before_a_number_and_the_row():
    numbers = read(stream("epoch 1: loss 0.5 acc 0.9\nepoch 2: loss 0.4 acc 0.8\n"))
    first, second = (["epoch", f"epoch {count} · loss", f"epoch {count} · acc"] for count in (1, 2))
    assert [number.label for number in numbers] == first + second


def test_labels_in_tables_are_row_and_column():
    html = "<table><tr><th></th><th>acc</th></tr><tr><th>a</th><td>0.5</td></tr></table>"
    (number,) = read({"output_type": "display_data", "data": {"text/html": html, "text/plain": "acc 7"}})
    assert (number.text, number.label) == ("0.5", "a · acc")
    printed = read(stream("     acc  loss\na   0.5   2\n"))
    assert [number.label for number in printed] == ["a · acc", "a · loss"]


def test_a_line_that_is_written_over_counts_as_it_ends():
    assert [number.text for number in read(stream("loss 3\rloss 2\rloss 1\n"))] == ["1"]
    assert [number.text for number in read(stream("\x1b[31mloss 3\x1b[0m\n"))] == ["3"]


def test_streams_are_whole_however_they_were_sent():
    sent = [stream("a 1"), stream("b 2\n", "stderr"), stream("2\n")]
    assert [number.text for number in read(*sent)] == ["12", "2"]


def test_errors_warnings_pictures_and_widgets_are_passed_over():
    widget = {
        "output_type": "display_data",
        "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider(value=5)"},
    }
    error = {"output_type": "error", "ename": "E", "evalue": "1", "traceback": ["2"]}
    warning = stream("/a/b.py:12: FutureWarning: since 1.4\n  x = f(3)\nloss 0.5\n", "stderr")
    figure = {"output_type": "display_data", "data": {"text/plain": "<Figure size 640x480 with 1 Axes>"}}
    assert [number.text for number in read(widget, error, warning, figure)] == ["0.5"]
    assert count_widgets([widget, error]) == 1


def test_what_is_too_long_is_cut_and_said_to_be():
    (piece,) = read_pieces([stream("1 " * LONGEST)])
    assert piece.cut and len(piece.text) == LONGEST


def test_numbers_are_aligned_by_label_where_lines_are_new_or_gone():
    before = read(stream("a 1\nb 2\nc 3\n"))
    after = read(stream("new 9\nc 3\na 4\n"))
    pairs, others = align(before, after)
    assert {one.text: other.text for one, other in pairs.items()} == {"1": "4", "3": "3"}
    assert [number.text for number in others] == ["9"]


def test_rows_of_a_log_are_aligned_by_their_number():
    before = read(stream("epoch 2: loss 0.5\nepoch 3: loss 0.4\n"))
    after = read(stream("epoch 1: loss 0.6\nepoch 2: loss 0.5\nepoch 3: loss 0.4\n"))
    pairs, _ = align(before, after)
    assert [pairs[number].text for number in before if number.label.endswith("loss")] == ["0.5", "0.4"]
