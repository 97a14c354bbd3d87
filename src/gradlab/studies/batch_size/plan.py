"""Which cells there are: one for each batch size, in which all seeds are trained side by side, as one stack.

Published: at half of the divergent learning rate that the notebook found by eye.

Corrected: a search cell for each batch size finds the divergent learning rate by a rule, and training is at half of that.
"""

from functools import partial

from gradlab.engine.study import Cell, Resources
from gradlab.studies.batch_size.config import Config

_METRICS = [
    *("final_test_accuracy", "test_accuracy_mean_last_five"),
    *("interpolation_updates", "interpolation_passes"),
]
_SEARCH_METRICS = ["divergent_learning_rate", "largest_stable_learning_rate", "majority_bracket", "learning_rate"]

_cell = partial(Cell, study="batch_size", data={"data": "fashion_mnist"}, resources=Resources(memory=1500, minutes=20))


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    shared = {"subset_size": config.subset_size, "hidden": config.hidden, "root_seed": config.root_seed}
    train = partial(_cell, notebook="training", figures=["curves.svg"], replicates=config.seeds)
    schedule = {"passes": config.passes, "seeds": list(config.seeds)}
    planned = [
        train(
            protocol="published",
            name=f"{size}",
            parameters={"batch_size": int(size), "learning_rate": learning_rate, **shared, **schedule},
            metrics=_measure(size, _METRICS),
        )
        for size, learning_rate in config.learning_rates.items()
    ]
    for size in config.corrected.batch_sizes:
        search = _cell(
            protocol="corrected",
            name=f"search-{size}",
            notebook="learning_rate_search",
            parameters={
                "batch_size": size,
                "start": config.corrected.start,
                "tolerance": config.corrected.tolerance,
                "seeds": list(config.corrected.search_seeds),
                **shared,
            },
            device="device",
            metrics=_measure(size, _SEARCH_METRICS),
            figures=["search.svg"],
            replicates=config.corrected.search_seeds,
            resolution=config.corrected.tolerance,
        )
        planned += [
            search,
            train(
                protocol="corrected",
                name=f"{size}",
                parameters={"batch_size": size, "learning_rate": None, **shared, **schedule},
                reads={"search": search.key},
                device="device",
                metrics=_measure(size, _METRICS),
            ),
        ]
    return planned


def _measure(size: int | str, metrics: list[str]) -> list[str]:
    return [f"{size}.{metric}" for metric in metrics]
