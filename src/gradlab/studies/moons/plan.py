"""The cells: one replay of the demo, and one for each noise with held-out points."""

from gradlab.engine.study import Cell, Json, Resources
from gradlab.studies.moons.config import Config

_PRINTED = (0, 1, 2, 10, 50, 96, 97, 98, 99)  # steps whose printed loss and accuracy are among the figures
_RESOURCES = Resources(memory=500, minutes=1)


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    training: dict[str, Json] = {
        "points": config.points,
        "hidden": config.hidden,
        "steps": config.steps,
        "learning_rates": config.learning_rates,
        "penalty": config.penalty,
    }
    printed = [f"step_{step}.{metric}" for step in _PRINTED if step < config.steps for metric in ("loss", "accuracy")]
    replay = Cell(
        study="moons",
        protocol="published",
        name="demo",
        notebook="demo",
        parameters={**training, "noise": config.noise, "seed": config.seed},
        metrics=["parameters", *printed],
        figures=["boundary.svg", "training.svg"],
        resources=_RESOURCES,
    )
    held_out = [
        Cell(
            study="moons",
            protocol="corrected",
            name=f"noise-{noise}",
            notebook="held_out",
            parameters={
                **training,
                "noise": noise,
                "held_out": config.corrected.held_out,
                "root_seed": config.corrected.root_seed,
                "seeds": config.corrected.seeds,
            },
            # What the demo printed last is measured again where the noise is the demo's.
            metrics=[
                *(f"noise-{noise}.{split}_accuracy" for split in ("train", "held_out")),
                *(printed[-2:] if noise == config.noise else ()),
            ],
            figures=["boundaries.svg", "accuracy.svg"],
            replicates=config.corrected.seeds,
            resources=_RESOURCES,
        )
        for noise in config.corrected.noises
    ]
    return [replay, *held_out]
