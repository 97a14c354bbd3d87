"""The figure of the graph of jobs: everything is there, told apart, and nothing runs over anything else."""

import itertools
import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from test_jobs import SEARCH, make_cells, numbered

from gradlab.jobs import ROLES, group_jobs
from gradlab.plots import style
from gradlab.plots.jobs import plot_jobs
from gradlab.svg import draw_svg

STUDY = {
    "autodiff/published/jump": [],
    "autodiff/published/power": [],
    **numbered("batch_size/corrected/search-", (1, 16), ["fashion_mnist"]),
    "batch_size/corrected/1": ["batch_size/corrected/search-1"],
    "batch_size/corrected/16": ["batch_size/corrected/search-16"],
    **SEARCH,
    **numbered("reg/corrected/variant-binary_cross_entropy-", range(5), ["reg/published/fine"]),
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def patches_of(figure, *labels):
    (ax,) = figure.axes
    return [patch for patch in ax.patches if patch.get_label() in labels]


def boxes_of(figure, *roles):
    """Ends of the shapes in inches: left, top, right, bottom."""
    extents = [patch.get_path().get_extents(patch.get_patch_transform()) for patch in patches_of(figure, *roles)]
    return [(box.x0, min(box.y0, box.y1), box.x1, max(box.y0, box.y1)) for box in extents]


def points_of(arrow):
    """An arrow's path, closely followed."""
    (line,) = arrow.get_path().interpolated(1).to_polygons(closed_only=False, width=0, height=0)
    steps = [np.linspace(a, b, 20) for a, b in itertools.pairwise(line)]
    return np.concatenate(steps)


def texts_of(figure):
    figure.canvas.draw()
    return [text for text in figure.axes[0].texts if text.get_text()]


def assert_nothing_runs_over_anything(figure):
    page = figure.bbox
    extents = [text.get_window_extent() for text in texts_of(figure)]
    for box in extents:
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
    width, height = figure.get_size_inches()
    shapes = boxes_of(figure, *ROLES)
    for left, top, right, bottom in shapes:
        assert 0 < left < right < width and 0 < top < bottom < height
    for (l1, t1, r1, b1), (l2, t2, r2, b2) in itertools.combinations(shapes, 2):
        assert r1 < l2 or r2 < l1 or b1 < t2 or b2 < t1
    for arrow in patches_of(figure, "arrow"):
        x, y = points_of(arrow).T
        assert 0 < x.min() and x.max() < width and 0 < y.min() and y.max() < height
        for left, top, right, bottom in shapes:
            assert not np.any((left + 1e-6 < x) & (x < right - 1e-6) & (top - 1e-6 < y) & (y < bottom + 1e-6))
        x, y = figure.axes[0].transData.transform(np.column_stack([x, y])).T
        for box in extents:
            assert not np.any((box.x0 < x) & (x < box.x1) & (box.y0 < y) & (y < box.y1))


def connect(figure, graph):
    """The pairs of kinds that arrows connect, found by where these begin and end."""
    shapes = {role: boxes_of(figure, role) for role in ROLES}
    named = {}
    for text in texts_of(figure):
        if text.get_fontweight() == "bold" and text.get_ha() == "center":
            x, y = text.get_position()
            (box,) = (b for boxes in shapes.values() for b in boxes if b[0] < x < b[2] and b[1] < y < b[3])
            named.setdefault(box, []).append(text.get_text())
    by_text = {re.sub(r"\s", "", "".join(lines)): box for box, lines in named.items()}
    kind_at = {}
    for kind in graph:
        kind_at[by_text[re.sub(r"\s", "", kind.label)]] = kind
    pairs = []
    for arrow in patches_of(figure, "arrow"):
        points = points_of(arrow)
        (x0, y0), (x1, y1) = points[0], points[-1]
        (source,) = (kind for b, kind in kind_at.items() if abs(b[2] - x0) < 1e-6 and b[1] < y0 < b[3])
        (target,) = (kind for b, kind in kind_at.items() if 0 < b[0] - x1 < 0.15 and b[1] < y1 < b[3])
        pairs.append((source, target))
    return pairs


def test_the_arrows_are_those_that_no_longer_way_implies():
    reads = {name: sources for name, sources in STUDY.items() if name.startswith("reg/")}
    graph = group_jobs(make_cells(reads))
    pairs = [(source.label, target.label) for source, target in connect(plot_jobs(graph), graph)]
    ends = ["final", "variant-binary_cross_entropy-0 … 4"]
    assert sorted(pairs) == sorted(
        [
            ("cifar10", "coarse-0 … 7"),
            ("coarse-0 … 7", "coarse"),
            ("coarse", "fine-0 … 9"),
            ("fine-0 … 9", "fine"),
            *(("fine", end) for end in ends),
            ("coarse-0 … 7", "row_order"),
            *((end, "report") for end in [*ends, "row_order"]),
        ]
    )


def test_kinds_stand_in_columns_by_step_and_a_chain_in_one_row():
    figure = plot_jobs(group_jobs(make_cells(SEARCH)))
    (data,), (report,) = boxes_of(figure, "data"), boxes_of(figure, "report")
    cells = boxes_of(figure, "cells")
    chain = [box for box in cells if abs(box[1] + box[3] - cells[0][1] - cells[0][3]) < 1e-6]
    assert len(chain) == 5 and len(cells) == 6
    for left, right in itertools.pairwise([data, *chain, report]):
        assert right[0] - left[2] > 0.3
    width, _ = figure.get_size_inches()
    assert width <= 11 + 1e-6


@pytest.mark.parametrize("undone", [[], ["reg/published/coarse-0"], list(STUDY)])
def test_a_whole_study_fits_the_page(undone):
    figure = plot_jobs(group_jobs(make_cells(STUDY, undone=undone)))
    assert figure.get_size_inches()[0] <= 11 + 1e-6
    assert_nothing_runs_over_anything(figure)
    assert min(text.get_fontsize() for text in texts_of(figure)) >= 9


def test_a_study_of_one_cell():
    figure = plot_jobs(group_jobs(make_cells({"reg/published/gradient_check": ["cifar10"]}, seconds=12)))
    assert [text.get_text() for text in texts_of(figure)] == [
        "published",
        "Reg",
        "gradient_check",
        "1 cell, 12\N{NO-BREAK SPACE}s",
        "cifar10",
        "data set",
        "report",
        "1 cell, 12\N{NO-BREAK SPACE}s",
    ]
    assert len(patches_of(figure, "arrow")) == 2
    assert_nothing_runs_over_anything(figure)


def test_what_is_not_done_is_said_and_dashed():
    reads = {**numbered("s/p/a-", range(8), ["mnist"]), "s/p/b": ["s/p/a-0"], "s/p/c": ["s/p/b"]}
    undone = [*(f"s/p/a-{number}" for number in range(2, 8)), "s/p/b"]
    figure = plot_jobs(group_jobs(make_cells(reads, undone=undone)))
    lines = [text.get_text() for text in texts_of(figure)]
    assert {"2 of 8 done", "3 of 10 done", "missing"} <= set(lines)
    dashed = {role: [patch.get_linestyle() != "-" for patch in patches_of(figure, role)] for role in ROLES}
    assert dashed == {"data": [False], "cells": [True, True, False], "report": [True]}
    whole = plot_jobs(group_jobs(make_cells(reads)))
    assert not any(" of " in text.get_text() for text in texts_of(whole))
    assert all(patch.get_linestyle() == "-" for patch in patches_of(whole, *ROLES))


def test_the_roles_have_shapes_of_their_own_and_studies_a_stripe():
    figure = plot_jobs(group_jobs(make_cells(STUDY)))
    corners = {role: {len(patch.get_path().vertices) for patch in patches_of(figure, role)} for role in ROLES}
    assert all(len(numbers) == 1 for numbers in corners.values())
    assert len(set.union(*corners.values())) == 3
    faces = {to_hex(patch.get_facecolor()) for patch in patches_of(figure, *ROLES)}
    assert faces == {"#ffffff"}
    stripes = [to_hex(patch.get_facecolor()).upper() for patch in figure.axes[0].patches]
    kinds = [kind.study for kind in group_jobs(make_cells(STUDY)) if kind.role == "cells"]
    for place, study in enumerate(["autodiff", "batch_size", "reg"]):
        assert stripes.count(style.COLOURS[place]) == kinds.count(study) + 1  # and one beside the study's name


def test_studies_stay_together_in_the_order_of_the_plan():
    figure = plot_jobs(group_jobs(make_cells(STUDY)))
    names = [text.get_text() for text in texts_of(figure) if text.get_ha() == "left"]
    assert names == ["published", "Autodiff", "corrected", "Batch size", "published", "Reg", "corrected"]
    heights = [text.get_position()[1] for text in texts_of(figure) if text.get_ha() == "left"]
    assert heights == sorted(heights)


@st.composite
def tangled_plans(draw):
    """Kinds with names of every length that read any earlier ones, of other studies too."""
    reads = {}
    for number in range(draw(st.integers(1, 12))):
        study = draw(st.sampled_from(["one", "two_words", "three"]))
        protocol = draw(st.sampled_from(["published", "corrected"]))
        word = draw(st.sampled_from(["a", "search", "variant-binary_cross_entropy", "anameofonelongword"]))
        sources = draw(st.lists(st.sampled_from(list(reads)), max_size=3, unique=True)) if reads else []
        sources += draw(st.sampled_from([[], ["mnist"], ["cifar10"], ["another_set"]]))
        reads[f"{study}/{protocol}/{word}_{number}{chr(97 + number)}"] = sources
    return reads


# Arrows of two data sets pass close by the name of a study that is as wide as their column.
PASSING_BY = {
    "one/published/search_0a": ["cifar10"],
    "one/published/anameofonelongword_1b": ["one/published/search_0a", "mnist"],
    "two_words/corrected/anameofonelongword_2c": [
        "one/published/anameofonelongword_1b",
        "one/published/search_0a",
        "mnist",
    ],
    "one/published/variant-binary_cross_entropy_3d": ["another_set"],
    "one/published/variant-binary_cross_entropy_4e": [
        "one/published/search_0a",
        "one/published/anameofonelongword_1b",
        "two_words/corrected/anameofonelongword_2c",
        "another_set",
    ],
    "three/corrected/search_5f": [
        "one/published/search_0a",
        "one/published/variant-binary_cross_entropy_3d",
        "one/published/variant-binary_cross_entropy_4e",
        "cifar10",
    ],
    "three/corrected/anameofonelongword_6g": ["mnist"],
    "one/corrected/anameofonelongword_7h": [
        "one/published/anameofonelongword_1b",
        "one/published/variant-binary_cross_entropy_3d",
        "one/published/search_0a",
        "cifar10",
    ],
    "three/published/anameofonelongword_8i": ["cifar10"],
    "two_words/corrected/a_9j": [
        "two_words/corrected/anameofonelongword_2c",
        "one/published/anameofonelongword_1b",
        "one/published/variant-binary_cross_entropy_3d",
        "another_set",
    ],
}


@settings(max_examples=25, deadline=None)
@given(tangled_plans())
@example(PASSING_BY)
def test_no_graph_makes_arrows_run_through_boxes(reads):
    graph = group_jobs(make_cells(reads))
    figure = plot_jobs(graph)
    try:
        assert_nothing_runs_over_anything(figure)
        assert set(connect(figure, graph)) == set(nx.transitive_reduction(graph).edges)
    finally:
        plt.close(figure)


def test_a_graph_without_cells_is_refused():
    with pytest.raises(ValueError, match="no job to draw"):
        plot_jobs(group_jobs({}))


def test_only_colours_that_the_dark_scheme_knows():
    figure = plot_jobs(group_jobs(make_cells(STUDY, undone=["reg/published/coarse-0"])))
    svg = draw_svg(figure, title="jobs", alt="The graph of jobs.")
    looks = " ".join(re.findall(r' style="([^"]*)"', svg))
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", looks))
    assert {"#ffffff", "#4c4c4c"} < drawn
    studies = {colour.lower() for colour in style.COLOURS[:3]}
    assert drawn - studies <= {"#ffffff", "#4c4c4c", "#bfbfbf"}


def test_the_same_plan_gives_the_same_file_whatever_the_order_of_sets(tmp_path):
    code = (
        "from test_jobs import make_cells; from test_plots_jobs import STUDY\n"
        "from gradlab.jobs import group_jobs; from gradlab.plots.jobs import plot_jobs; from gradlab.svg import draw_svg\n"
        "print(draw_svg(plot_jobs(group_jobs(make_cells(STUDY))), title='jobs', alt='The graph of jobs.'))"
    )
    path = os.pathsep.join(sys.path)
    files = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert files[0] == files[1] and "</svg>" in files[0]
