"""Families of cells, and where the report's numbers lead."""

import pytest

from gradlab.report.families import family_of, group_families, label_family
from gradlab.report.links import Links

CELLS = [
    *(f"regularization/published/coarse-{point}" for point in range(3)),
    "regularization/published/coarse",
    *(f"batch_size/published/{size}" for size in (16, 1, 2)),
    "batch_size/corrected/search-1",
]


@pytest.fixture
def links(make_material, tmp_path):
    """Links of made cells, all complete with a notebook but the last one."""
    results = make_material({name: ({}, {}) for name in CELLS[:-1]} | {CELLS[-1]: None}).results
    for name in CELLS[:-1]:
        (tmp_path / name / "notebook.ipynb").touch()
    return Links(results, tmp_path)


def test_a_family_differs_in_a_trailing_number_alone(links):
    labels = [label_family(members) for members in links.families.values()]
    assert labels == ["coarse-0 … 2", "coarse", "1, 2, 16", "search-1"]
    assert sum(len(members) for members in links.families.values()) == len(CELLS)


def test_few_seeds_are_named_one_by_one(make_material):
    cells = make_material({f"regularization/corrected/final-{seed}": None for seed in (0, 1)}).results.values()
    assert [label_family(members) for members in group_families(cells).values()] == ["final-0, 1"]


def test_a_number_of_one_cell_leads_to_its_page_and_one_of_several_to_their_gallery(links):
    assert links.origin([CELLS[0]]) == "pages/regularization/published/coarse-0.html"
    assert links.origin(CELLS[:3]) == "#cells-regularization-published-coarse-n"
    assert links.origin(CELLS[:4]) == "#cells-regularization"
    assert links.origin([CELLS[-1]]) == "#cells-batch_size-corrected-search-n"
    assert links.origin(["not/planned/here"]) is None


def test_every_family_has_a_place_of_its_own(links):
    places = [links.gallery(family_of(cell)) for cell in links.results.values()]
    assert len(set(places)) == len(links.families)


def test_evidence_is_named_by_family(links):
    assert links.evidence([*CELLS[:4], CELLS[5]]) == [
        ("published coarse-0 … 2", "#cells-regularization-published-coarse-n"),
        ("published coarse", "pages/regularization/published/coarse.html"),
        ("published 1", "pages/batch_size/published/1.html"),
    ]
