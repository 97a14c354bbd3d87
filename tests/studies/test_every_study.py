"""What holds of every study: it keeps the contract, and without results it claims and shows nothing."""

import pytest

from gradlab.engine.claims import conclude, find_errata
from gradlab.engine.figures import check_figures
from gradlab.engine.plan import plan_cells
from gradlab.engine.study import discover
from gradlab.report.sections import show

STUDIES = discover()


@pytest.fixture(params=STUDIES)
def unrun(request, make_material):
    """A study of which one cell is planned, and has not run."""
    return make_material(request.param, {"published/none": None})


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_cells_as_published_keep_the_contract_and_figures_name_what_they_give(study):
    assert plan_cells({study.name: study}, {study.name: study.config()})
    check_figures([study])


def test_without_results_nothing_is_concluded(unrun):
    assert conclude(unrun) == []


def test_without_results_errata_say_so(unrun):
    for erratum in find_errata([unrun]):
        assert (erratum.verdict, erratum.cells) == ("not run", ())


def test_without_results_nothing_is_shown(unrun):
    assert (unrun.study.section or show)(unrun) == []


def test_errata_are_numbered_through_all_studies():
    errata = [getattr(study.claims, "ERRATA", ()) for study in STUDIES.values()]
    numbers = {error.number for errors in errata for error in errors} - {None}
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_names_of_comparisons_tell_them_apart_and_without_results_there_are_none(unrun):
    for compare in getattr(unrun.study.claims, "COMPARISONS", {}).values():
        assert compare(unrun) is None
