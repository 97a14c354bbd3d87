import json
import os
import signal
import subprocess
import sys
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab import record
from gradlab.files import atomic_path, save_json
from gradlab.svg import describe_svg


def test_metrics_become_plain_numbers(tmp_path):
    metrics = {"b": np.float64(0.25), "a": np.array([1, 2]), "c": float("inf"), "d": [float("nan"), 1.0], "e": None}
    record.save_metrics(tmp_path, metrics)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == {"a": [1, 2], "b": 0.25, "c": None, "d": [None, 1.0], "e": None}
    assert text.index('"a"') < text.index('"b"')


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_curves_read_back_as_the_same_numbers(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("curves")
    curves = pd.DataFrame({"pass": [0], "metric": ["loss"], "value": [value]})
    record.save_curves(folder, curves)
    read = pd.read_csv(folder / "curves.csv")
    assert read["value"].iloc[0] == value


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

    from gradlab.plots import style

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


def test_nothing_half_written_stays(tmp_path):
    target = tmp_path / "file.json"
    save_json(target, {"whole": True})
    with pytest.raises(RuntimeError, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert json.loads(target.read_text()) == {"whole": True}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.json"
    save_json(target, {"whole": True})
    script = """
        import sys, time
        from gradlab.files import atomic_path
        with atomic_path(sys.argv[1]) as temporary:
            temporary.write_text("half")
            print("written", flush=True)
            time.sleep(60)
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(target)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout.readline() == "written\n"
        os.kill(writer.pid, signal.SIGKILL)
    assert json.loads(target.read_text()) == {"whole": True}


def test_json_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(ValueError):
        save_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
