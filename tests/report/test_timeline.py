"""The plot of a run, from cells that were made to have run at given times."""

import pytest
from made_cells import finish_cell, make_cell, write_plan
from made_report import describe_study

from gradlab.engine.results import load_results
from gradlab.report.timeline import draw_run, find_largest_run, measure_idle

STUDIES = {name: describe_study(name) for name in ("slopes", "areas")}


@pytest.fixture
def ran(tmp_path):
    """A function that makes cells of given starts and durations, in seconds after midnight; None for one that is missing."""

    def ran(times):
        for key, time in times.items():
            if time:
                (tmp_path / key).mkdir(parents=True)
                hours, rest = divmod(time[0], 3600)
                started = f"2026-01-01T{hours:02.0f}:{rest // 60:02.0f}:{rest % 60:06.3f}+00:00"
                finish_cell(tmp_path / key, {}, started=started, wall_seconds=time[1])
        return load_results(write_plan(tmp_path, {key: make_cell(key, {}) for key in times}))

    return ran


# Two lanes for 100 s: the first is full, the second from 10 to 40 and from 41 to 71 s.
RUN = {
    "slopes/published/a": (0, 60.0),
    "slopes/published/b": (10, 30.0),
    "areas/published/c": (41, 30.0),
    "areas/corrected/d": (60, 40.0),
}


def test_each_cell_has_the_lowest_free_lane_from_its_start_to_its_end(ran):
    run = find_largest_run(ran(RUN))
    first = run[0].start
    found = {stretch.cell.name: (stretch.start - first, stretch.end - first, stretch.lane) for stretch in run}
    assert found == {
        "slopes/published/a": (0, 60, 0),
        "slopes/published/b": (10, 40, 1),
        "areas/published/c": (41, 71, 1),
        "areas/corrected/d": (60, 100, 0),
    }
    assert measure_idle(run) == pytest.approx(1 - 160 / 200)


def test_starts_that_were_rounded_take_no_more_lanes(ran):
    run = find_largest_run(ran({"slopes/published/a": (0, 10.9), "slopes/published/b": (10, 5.0)}))
    assert {stretch.lane for stretch in run} == {0}


def test_runs_with_more_than_a_minute_between_them_are_told_apart(ran):
    others = {"slopes/corrected/early": (-0.0, 5.0), "slopes/corrected/late": (5000, 900.0)}
    later = {key: (start + 1000, seconds) for key, (start, seconds) in RUN.items()}
    assert [stretch.cell.name for stretch in find_largest_run(ran(others | later))] == list(RUN)


def test_the_plot_has_bars_by_study_and_says_how_idle_its_lanes_were(ran):
    picture = draw_run(ran(RUN | {"areas/corrected/missing": None}), STUDIES)
    assert picture.caption == (
        "4 cells, 2 at once, in 1.7 min: lanes were idle for 20% of their time, and the last cell was areas/corrected/d. "
        "1 other cell ran at other times, or not at all."
    )
    rows = picture.data.splitlines()
    assert sum("Slopes" in row for row in rows) == sum("Areas" in row for row in rows) == 2
    assert "seconds since the first cell started" in picture.svg


def test_of_a_few_cells_there_is_no_plot(ran):
    assert draw_run(ran({}), STUDIES) is None
    assert draw_run(ran(dict(list(RUN.items())[:3])), STUDIES) is None
