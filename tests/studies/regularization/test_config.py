"""What the configuration knows of the study, without importing its numbers."""

import pytest

from gradlab.studies.regularization import twolayer
from gradlab.studies.regularization.config import TRAINING_SIZES, Config
from gradlab.studies.regularization.plan import cells


def test_the_sizes_of_training_sets_are_those_of_the_plan():
    rows = {cell.name: cell.parameters["train_rows"] for cell in cells(Config()) if "train_rows" in cell.parameters}
    assert {end - start for name, (start, end) in rows.items() if not name.startswith("overfit")} == set(TRAINING_SIZES)


@pytest.mark.parametrize("size", TRAINING_SIZES)
def test_a_training_set_is_a_whole_number_of_batches(size):
    def settings(batch_size):
        return twolayer.Settings(epochs=1, batch_size=batch_size, lmbda=0.0, n_s=10)

    for batch_size in (1, 8, 100, 1000):
        assert Config(batch_size=batch_size).batch_size * twolayer.update_count(size, settings(batch_size)) == size
    with pytest.raises(ValueError, match="no whole number of batches"):
        twolayer.update_count(size, settings(11))
    with pytest.raises(ValueError, match="expected a divisor of 1000"):
        Config(batch_size=11)
