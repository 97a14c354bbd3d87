"""What results say of a study, from the module `claims` of a made one."""

import pytest
from made_cells import make_cell
from made_studies import make_study, run_cells

from gradlab.engine.claims import Conclusion, Erratum, conclude, find_errata
from gradlab.engine.ledger import Ledger
from gradlab.engine.material import gather_material

CLAIMS = """
from gradlab.engine.claims import Error, Finding


def _say_loss(material):
    loss = material.metric("published/one", "loss")
    return None if loss is None else f"the loss is {loss}."


def _say_other(material):
    loss = material.metric("corrected/other", "loss")
    return None if loss is None else "another."


CONCLUSIONS = {_say_loss: ["published/*", "corrected/none"], _say_other: ["corrected/*"]}


def _examine(material):
    loss = material.metric("published/one", "loss")
    return None if loss is None else Finding(f"it is {loss}", "a half", {0.5: True, 0.25: False}.get(loss))


ERRATA = [
    Error(3, "M 1", "Misprint", "says 1", ["published/*"], _examine),
    Error(None, "M 3", "Trap", "says 3", ["corrected/*"], lambda material: None),
    Error(1, "M 2", "Mistake", "says 2", ["corrected/*"], lambda material: None),
]
"""
CELLS = [make_cell(f"made/{name}", {}) for name in ("published/one", "published/two", "corrected/other")]


@pytest.fixture
def gather(tmp_path):
    """A function that returns the material of a made study in which the first cell has a metric, or has not run."""

    def gather(loss, cells=CELLS, **modules):
        study = make_study(tmp_path, **{"claims": CLAIMS, **modules})
        metrics = {} if loss is None else {"made/published/one": {"loss": loss}}
        results = run_cells(tmp_path / "results", cells, metrics)
        return gather_material({"made": study}, results, Ledger([], [], []))["made"]

    return gather


def test_what_has_run_is_concluded_from_and_names_its_cells(gather):
    assert conclude(gather(None)) == []
    assert conclude(gather(0.5)) == [Conclusion("The loss is 0.5.", ("made/published/one",), "say_loss")]


@pytest.mark.parametrize(("loss", "verdict"), [(0.5, "confirmed"), (0.25, "not confirmed"), (0.75, "undecided")])
def test_an_error_is_borne_out_by_the_results_or_not(gather, loss, verdict):
    first, second, trap = find_errata([gather(loss)])
    assert (trap.number, trap.title) == (None, "Trap")
    assert second == Erratum(
        number=3,
        study="made",
        source="M 1",
        title="Misprint",
        claim="says 1",
        evidence=f"it is {loss}",
        right="a half",
        verdict=verdict,
        cells=("made/published/one",),
    )
    assert (first.number, first.verdict, first.right, first.cells) == (1, "not run", "", ())
    assert first.evidence == "The cells that would show it have not all run under the published settings."


def test_a_study_that_says_nothing_or_plans_no_cell_has_no_errata(gather):
    assert find_errata([gather(None, cells=[])]) == []
    silent = gather(0.5, claims="")
    assert conclude(silent) == find_errata([silent]) == []
