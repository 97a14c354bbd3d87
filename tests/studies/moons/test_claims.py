from types import SimpleNamespace

import pandas as pd
import pytest

from gradlab.engine.claims import conclude
from gradlab.engine.material import gather_material
from gradlab.engine.study import discover
from gradlab.studies.moons.config import Config, Corrected
from gradlab.studies.moons.plan import cells

STUDY = discover()["moons"]


def make_material(train, held_out, accuracy=(50, 100, 100), done=True):
    """Return what conclusions are made from: a demo with some accuracies, and a noise under as many seeds as there are runs."""
    config = Config(corrected=Corrected(noises=[0.1], seeds=list(range(len(train)))))
    curves = pd.DataFrame(
        [
            (step, "train", metric, value)
            for step, share in enumerate(accuracy)
            for metric, value in (("loss", 0.5), ("accuracy", share))
        ],
        columns=["step", "split", "metric", "value"],
    )
    results = {
        f"{cell.protocol}/{cell.name}": SimpleNamespace(
            planned=cell,
            name=cell.key,
            study="moons",
            protocol=cell.protocol,
            cell=cell.name,
            status="done" if done else "missing",
            curves=curves,
            metrics={f"{cell.name}.train_accuracy": train, f"{cell.name}.held_out_accuracy": held_out},
        )
        for cell in cells(config)
    }
    materials = gather_material({"moons": STUDY}, results, SimpleNamespace(figures=[], logs=[]))
    return materials["moons"]


def read_conclusions(*runs, **made):
    return [conclusion.text for conclusion in conclude(make_material(*runs, **made))]


def test_nothing_is_said_of_cells_that_have_not_run():
    assert read_conclusions([100.0], [99.0], done=False) == []


@pytest.mark.parametrize(
    ("accuracy", "end"),
    [
        ((50, 100, 100), "; from step 1 on, all training points are right."),
        ((50, 100, 98), "; 98 % of the training points are right at the end."),
        ((100, 100), "; all training points are right throughout."),
    ],
)
def test_the_replay_says_from_where_on_all_are_right(accuracy, end):
    first = read_conclusions([100.0], [99.0], accuracy=accuracy)[0]
    assert first.startswith(f"In {len(accuracy) - 1} steps, the loss goes from 0.5000 to 0.5000") and first.endswith(
        end
    )


def test_means_have_their_intervals():
    text = read_conclusions([100.0, 100.0, 100.0], [97.0, 98.0, 99.0])[1]
    # The interval of three runs is mean ± 4.3027 · sd/√3; where all runs are alike there is nothing to add.
    assert text == (
        "Accuracy after training, on training and on held-out points (means over 3 seeds, their 95 % intervals in brackets): "
        "100.00 % and 98.00 % [95.52, 100.48] with a noise of 0.1."
    )


def test_one_seed_gives_no_interval_and_no_comparison():
    texts = read_conclusions([100.0], [97.0])
    assert len(texts) == 2 and "(one seed): 100.00 % and 97.00 % with" in texts[1]


@pytest.mark.parametrize(
    ("held_out", "verdict"),
    [([97.0, 98.0, 97.5], "lower"), ([100.0, 98.0, 101.0], "not told apart"), ([103.0, 102.0, 102.5], "higher")],
)
def test_the_comparison_follows_the_interval(held_out, verdict):
    text = read_conclusions([100.0, 100.0, 100.0], held_out)[2]
    assert text.startswith(
        f"Against the training accuracy of the same network, the held-out accuracy is {verdict} with a noise of"
    )
