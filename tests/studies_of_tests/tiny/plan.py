"""Which cells there are.

Some of their parameters have names to which an engine might give a meaning (tolerance, search, runs, data, device, seed,
seeds), and values that are not what it would then expect.
"""

from functools import partial

from gradlab.engine.study import Cell, Resources
from studies_of_tests.tiny.config import Config

_SECONDS = Resources(memory=300, minutes=1)


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    cell = partial(Cell, study="tiny", resources=_SECONDS)
    descent = partial(cell, notebook="descent", figures=["path.svg"])
    shared = {"steps": config.steps, "pause": config.pause}
    planned = [
        descent(
            protocol="published",
            name=f"{rate:g}",
            parameters={"label": f"{rate:g}", "rate": rate, "curvature": 1.0, **shared},
            metrics=[f"{rate:g}.distance", f"{rate:g}.loss"],
        )
        for rate in config.rates
    ]
    planned.append(
        cell(
            protocol="published",
            name="mean",
            notebook="mean",
            parameters={
                "data": [1.0, 2.0, 6.0],
                "tolerance": 2.0,
                "search": "balance",
                "runs": 3,
                "seeds": [7, 8],
                "device": "cuda",
                "pause": config.pause,
            },
            device="place",
            metrics=["mean.minimum", "mean.near"],
            files=["observations.csv"],
            resources=Resources(memory=300, minutes=1, local=True),
        )
    )
    for curvature in config.curvatures:
        search = cell(
            protocol="corrected",
            name=f"search-{curvature:g}",
            notebook="search",
            parameters={
                "curvature": curvature,
                "width": config.width,
                "seeds": [10, 11, 12],
                "tolerance": 0.0,
                **shared,
            },
            metrics=[f"{curvature:g}.divergent_rate"],
            figures=["brackets.svg"],
            replicates=[10, 11, 12],
            resolution=config.width,
            resources=Resources(memory=300, minutes=60),
        )
        planned += [
            search,
            descent(
                protocol="corrected",
                name=f"half-{curvature:g}",
                parameters={"label": f"half-{curvature:g}", "rate": None, "curvature": curvature, **shared},
                reads={"found": search.key},
                metrics=[f"half-{curvature:g}.distance"],
            ),
        ]
    starts = [
        cell(
            protocol="corrected",
            name=f"start-{number}",
            notebook="start",
            parameters={"start": 10.0 + number, "seed": 7, "tolerance": 9.0, **shared},
            metrics=["start.first", "start.distance", "0.5.distance"],
            replicates=[number],
        )
        for number in config.starts
    ]
    choice = cell(
        protocol="corrected",
        name="choice",
        notebook="choice",
        parameters={"pause": config.pause},
        reads={"runs": [start.key for start in starts]},
        metrics=["choice.nearest"],
    )
    return [*planned, *starts, choice]
