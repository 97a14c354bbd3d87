"""What the section shows of replays, and which batch sizes its plots show where there are more than colours."""

import pandas as pd
from published_settings import settings_behind

from gradlab.report.blocks import Picture, Table
from gradlab.studies.batch_size.section import choose_drawn, show

PUBLISHED = {1, 2, 4, 8, 16}


def made_replay(logs, size, **changes):
    """A replay that gives what the logs have, under the published settings but for some changes."""
    tables = [logs.log(f"{size}{part}") for part in ("", ".trial", ".average")]
    table = pd.concat(tables, ignore_index=True).fillna({"pass": 1})
    table["update"] = table["update"].fillna(table["pass"] * round(6000 / size)).astype(int)
    metrics = {
        f"{size}.{name}": value
        for name, value in {
            "trial_rounding": 1e-7,
            "interpolation_updates": 12000,
            "interpolation_passes": 32,
            "final_test_accuracy": 0.843,
        }.items()
    }
    return settings_behind("batch_size", f"{size}.final_test_accuracy") | changes, metrics, table


def test_replays_are_shown_beside_the_logs_that_they_replay(make_material):
    logs = make_material("batch_size", {"published/none": None})
    blocks = show(make_material("batch_size", {"published/16": made_replay(logs, 16)}))
    pictures = {block.name: block for block in blocks if isinstance(block, Picture)}
    assert list(pictures) == ["replays", "residuals", "updates", "passes", "interpolation"]
    assert "B = 16: r = 1.00" in pictures["residuals"].svg
    (table,) = (block for block in blocks if isinstance(block, Table))
    (row,) = table.rows
    assert row[:3] == ["16", "8 of 8", "204 of 204"]
    assert float(row[3].value) == 0


def test_under_other_settings_there_is_no_log_beside_them(make_material):
    logs = make_material("batch_size", {"published/none": None})
    blocks = show(make_material("batch_size", {"published/16": made_replay(logs, 16, passes=3)}))
    assert [block.name for block in blocks if isinstance(block, Picture)] == ["updates", "passes", "interpolation"]
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.rows[0][1:4] == [None, None, None]


def test_all_batch_sizes_are_drawn_where_there_are_colours_for_them():
    assert choose_drawn(["1", "3", "32"], PUBLISHED) == ([1, 2, 3, 4, 8, 16, 32], "")


def test_of_more_batch_sizes_the_published_ones_the_smallest_and_the_largest_other_are_drawn():
    drawn, note = choose_drawn([str(size) for size in range(1, 11)], PUBLISHED)
    assert drawn == [1, 2, 3, 4, 8, 10, 16]
    assert note == " Drawn are 7 of 11 batch sizes; the table has all of ours."
