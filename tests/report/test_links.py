"""Families of cells, and where the report's numbers lead."""

import pytest
from made_cells import finish_cell, write_plan

from gradlab.engine.results import load_results
from gradlab.report.families import family_of, group_families, label_family
from gradlab.report.links import Links

CELLS = [
    *(f"slopes/published/coarse-{point}" for point in range(3)),
    "slopes/published/coarse",
    *(f"areas/published/{size}" for size in (16, 1, 2)),
    "areas/corrected/search-1",
]


@pytest.fixture
def links(tmp_path):
    """Links of made cells, all complete with a notebook but the last one."""
    for name in CELLS[:-1]:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "notebook.ipynb").touch()
        finish_cell(tmp_path / name, {})
    return Links(load_results(write_plan(tmp_path, {key: {} for key in CELLS})), tmp_path)


def test_a_family_differs_in_a_trailing_number_alone(links):
    labels = [label_family(members) for members in links.families.values()]
    assert labels == ["coarse-0 … 2", "coarse", "1, 2, 16", "search-1"]
    assert sum(len(members) for members in links.families.values()) == len(CELLS)


def test_few_seeds_are_named_one_by_one(tmp_path):
    cells = load_results(write_plan(tmp_path, {f"slopes/corrected/final-{seed}": {} for seed in (0, 1)})).values()
    assert [label_family(members) for members in group_families(cells).values()] == ["final-0, 1"]


def test_a_number_of_one_cell_leads_to_its_page_and_one_of_several_to_their_gallery(links):
    assert links.origin([CELLS[0]]) == "pages/slopes/published/coarse-0.html"
    assert links.origin(CELLS[:3]) == "pages/slopes.html#cells-slopes-published-coarse-n"
    assert links.origin(CELLS[:4]) == "pages/slopes.html#cells"
    assert links.origin([CELLS[-1]]) == "pages/areas.html#cells-areas-corrected-search-n"
    assert links.origin(["not/planned/here"]) is None


def test_every_family_has_a_place_of_its_own(links):
    places = [links.gallery(family_of(cell)) for cell in links.results.values()]
    assert len(set(places)) == len(links.families)


def test_evidence_is_named_by_family(links):
    assert links.evidence([*CELLS[:4], CELLS[5]]) == [
        ("published coarse-0 … 2", "pages/slopes.html#cells-slopes-published-coarse-n"),
        ("published coarse", "pages/slopes/published/coarse.html"),
        ("published 1", "pages/areas/published/1.html"),
    ]
