"""What holds of every study: without results it claims and shows nothing."""

import pytest

from gradlab.engine.claims import conclude, find_errata
from gradlab.engine.figures import check_figures
from gradlab.engine.plan import plan_cells
from gradlab.engine.study import discover

STUDIES = discover()


@pytest.fixture(params=STUDIES)
def unrun(request, make_material):
    """A study of which one cell is planned, and has not run."""
    return make_material(request.param, {"published/none": None})


def test_without_results_nothing_is_concluded(unrun):
    assert conclude(unrun) == []


def test_without_results_errata_say_so(unrun):
    errata = find_errata([unrun])
    assert errata
    assert all(erratum.verdict == "not run" and erratum.cells == () for erratum in errata)


def test_without_results_nothing_is_shown(unrun):
    assert unrun.study.section(unrun) == []


def test_errata_are_numbered_through_all_studies():
    numbers = [error.number for study in STUDIES.values() for error in study.claims.ERRATA]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_its_cells_as_published_keep_the_contract_and_its_figures_name_what_they_give(study):
    plan_cells({study.name: study}, {study.name: study.config()})
    check_figures([study])
