import json
import math
import struct

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import make_cell

from gradlab.engine.results import CellResult
from gradlab.lab import record
from gradlab.lab.svg import describe_svg


def test_metrics_become_plain_numbers(tmp_path):
    metrics = {"b": np.float64(0.25), "a": np.array([1, 2]), "c": float("inf"), "d": [float("nan"), 1.0], "e": None}
    record.save_metrics(tmp_path, metrics)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == {"a": [1, 2], "b": 0.25, "c": None, "d": [None, 1.0], "e": None}
    assert text.index('"a"') < text.index('"b"')


NAMES = st.text("abc_", min_size=1)
ROWS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 10**6), NAMES, NAMES, st.floats())


@given(rows=st.lists(ROWS, min_size=1, max_size=20))
def test_curves_read_back_as_the_same_table(tmp_path_factory, rows):
    """To the last bit: -0.0 and the infinities too, and NaN as NaN."""
    folder = tmp_path_factory.mktemp("curves")
    curves = pd.DataFrame(rows, columns=["seed", "pass", "split", "metric", "value"])
    record.save_curves(folder, curves)
    read = CellResult(make_cell("s/published/x", {}), folder, folder / "log", {}).curves
    assert read.drop(columns="value").equals(curves.drop(columns="value"))
    assert read["value"].dtype == "float64"
    for one, other in zip(read["value"], curves["value"], strict=True):
        assert (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)


def test_curves_are_tidy(tmp_path):
    with pytest.raises(ValueError, match="metric and value"):
        record.save_curves(tmp_path, pd.DataFrame({"pass": [0], "loss": [1.0]}))


def test_a_figure_is_the_same_file_each_time_and_says_what_it_shows(tmp_path):
    def draw():
        figure, axes = plt.subplots()
        axes.plot([0, 1])
        record.save_figure(tmp_path, "line", figure, alt="A line, rising <steeply> & straight.")
        plt.close(figure)
        return (tmp_path / "line.svg").read_bytes()

    from gradlab.lab import style

    style.use_style()
    first = draw()
    assert draw() == first
    assert describe_svg(first.decode()) == "A line, rising <steeply> & straight."


def test_answers_have_three_parts(tmp_path):
    whole = {"question": "?", "answer": "yes", "evidence": "seen"}
    record.save_answers(tmp_path, [whole])
    assert json.loads((tmp_path / "answers.json").read_text()) == [whole]
    with pytest.raises(ValueError, match="evidence"):
        record.save_answers(tmp_path, [{"question": "?", "answer": "yes"}])
