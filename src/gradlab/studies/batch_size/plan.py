"""Which cells there are.

Published: a cell for each batch size replays the notebook's trial pass and its run, from where the notebook stood.

Corrected: for each batch size, all seeds are trained side by side, as one stack: at the published rate, and at half of the
divergent rate that a search cell finds by a rule. More searches, and a law fitted to those of the smaller batches, tell how
that rate goes on at larger batches.
"""

from collections.abc import Iterable
from functools import partial

from gradlab.engine.study import Cell, Resources
from gradlab.studies.batch_size.config import Config

_NOTEBOOK_ORDER = [1, 2, 4, 8, 16]  # in which the notebook came to its batch sizes; a further one would have followed
_LEAST_SIZES = 2  # that a law of two numbers can be fitted to
_METRICS = ["final_test_accuracy", "interpolation_updates", "interpolation_passes"]
_TRAINING_METRICS = [*_METRICS, "test_accuracy_mean_last_five"]
_SEARCH_METRICS = ["divergent_learning_rate", "largest_stable_learning_rate", "majority_bracket", "learning_rate"]

_cell = partial(Cell, study="batch_size", data={"data": "fashion_mnist"}, resources=Resources(memory=1500, minutes=20))


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    corrected = config.corrected
    network = {"subset_size": config.subset_size, "hidden": config.hidden}
    seeded = {**network, "root_seed": config.root_seed}
    train = partial(
        _cell,
        protocol="corrected",
        notebook="training",
        device="device",
        figures=["curves.svg"],
        replicates=config.seeds,
    )
    schedule = {"passes": config.passes, "seeds": list(config.seeds)}
    planned = []
    for size, learning_rate in config.learning_rates.items():
        earlier = _NOTEBOOK_ORDER.index(size) if size in _NOTEBOOK_ORDER else len(_NOTEBOOK_ORDER)
        planned += [
            _cell(
                protocol="published",
                name=f"{size}",
                notebook="replay",
                parameters={
                    "batch_size": int(size),
                    "earlier_sizes": earlier,
                    "trial_rate": 2 * learning_rate,
                    "learning_rate": learning_rate,
                    "passes": config.passes,
                    **network,
                },
                metrics=_measure(size, [*_METRICS, "trial_rounding"]),
                figures=["trial.svg", "curves.svg"],
            ),
            train(
                name=f"{size}-published_rate",
                parameters={"batch_size": int(size), "learning_rate": learning_rate, **seeded, **schedule},
                metrics=_measure(size, _TRAINING_METRICS),
            ),
        ]
    searches = {
        size: _cell(
            protocol="corrected",
            name=f"search-{size}",
            notebook="learning_rate_search",
            parameters={
                "batch_size": size,
                "start": corrected.start,
                "tolerance": corrected.tolerance,
                "seeds": list(corrected.search_seeds),
                **seeded,
            },
            device="device",
            metrics=_measure(size, _SEARCH_METRICS),
            figures=["search.svg"],
            replicates=corrected.search_seeds,
            resolution=corrected.tolerance,
        )
        for size in dict.fromkeys([*corrected.batch_sizes, *corrected.search_only])
    }
    planned += [
        train(
            name=f"{size}-found_rate",
            parameters={
                "batch_size": size,
                "learning_rate": None,
                "prefix": f"{size}.found_rate",
                **seeded,
                **schedule,
            },
            reads={"search": searches[size].key},
            metrics=_measure(f"{size}.found_rate", _TRAINING_METRICS),
        )
        for size in corrected.batch_sizes
    ]
    planned += searches.values()
    if len(corrected.batch_sizes) >= _LEAST_SIZES:
        planned.append(
            Cell(
                study="batch_size",
                protocol="corrected",
                name="law",
                notebook="law",
                parameters={
                    "batch_sizes": list(searches),
                    "fitted": list(corrected.batch_sizes),
                    "seeds": list(corrected.search_seeds),
                },
                reads={"searches": [search.key for search in searches.values()]},
                metrics=_measure("law", ["a", "b", "misfit", *_measure_all(searches, ["found", "predicted"])]),
                figures=["law.svg"],
                replicates=corrected.search_seeds,
                resources=Resources(minutes=2, local=True),
            )
        )
    return planned


def _measure_all(sizes: Iterable[int], metrics: list[str]) -> list[str]:
    return [name for size in sizes for name in _measure(size, metrics)]


def _measure(of: int | str, metrics: list[str]) -> list[str]:
    return [f"{of}.{metric}" for metric in metrics]
