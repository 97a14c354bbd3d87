"""What the configuration knows of the study, without importing its numbers."""

from gradlab.studies.batch_size import divergence
from gradlab.studies.batch_size.config import SEARCH_WINDOWS


def test_a_search_smooths_a_pass_over_as_many_windows_as_the_check_asks_for():
    assert divergence.WINDOWS == SEARCH_WINDOWS
