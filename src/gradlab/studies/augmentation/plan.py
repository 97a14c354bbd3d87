"""Which cells there are: the settings none, train, test and both, as published, and corrected.

Published: a cell for each setting. Every cell starts where the notebook stood when it came to this setting: it replays the
random draws of the runs before it, without training.

Corrected: a cell for each training and seed. `none` and `test` train alike, on the images as they are, and so do `train` and
`both`: under one seed they share a network, which one cell trains and evaluates in both ways.
"""

from functools import partial
from typing import Any

from gradlab.engine.study import Cell, Resources
from gradlab.studies.augmentation.config import Config

# The notebook's runs, in its order, with the passes that each took.
_NOTEBOOK_RUNS: list[Any] = [["none", 35], ["train", 100], ["test", 30], ["both", 100]]
_NOTEBOOK_ORDER = [setting for setting, _ in _NOTEBOOK_RUNS]
# The settings that share a network, by the training.
_SETTINGS = {"clean": ["none", "test"], "augmented": ["train", "both"]}
_METRICS = ["final_test_accuracy", "final_test_loss", "passes"]
# The notebook shows five pictures of its subset before the first run.
_SAMPLES = [f"sample_{number}.label" for number in range(1, 6)]
_SHARED = [
    "subset_size",
    "batch_size",
    "learning_rate",
    "max_passes",
    "crop_scale",
    "crop_ratio",
    "max_angle",
]

_cell = partial(
    Cell,
    study="augmentation",
    data={"data": "fashion_mnist"},
    figures=["curves.svg", "samples.svg"],
    resources=Resources(memory=1500, minutes=60),
)


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    shared = {name: value for name, value in config.model_dump(mode="json").items() if name in _SHARED}
    published = [
        _cell(
            protocol="published",
            name=setting,
            notebook="published",
            parameters={
                **shared,
                "copies": config.copies,
                "setting": setting,
                "earlier_runs": _NOTEBOOK_RUNS[: _NOTEBOOK_ORDER.index(setting)],
            },
            metrics=_measure(_METRICS, setting) + (_SAMPLES if setting == _NOTEBOOK_ORDER[0] else []),
        )
        for setting in config.settings
    ]
    corrected = config.corrected
    return published + [
        _cell(
            protocol="corrected",
            name=f"{training}-{seed}",
            notebook="corrected",
            parameters={
                **shared,
                "training": training,
                "seed": seed,
                "root_seed": corrected.root_seed,
                "copies": corrected.copies,
                "evaluate_every": corrected.evaluate_every,
                "average_from": corrected.average_from,
            },
            device="device",
            metrics=_measure([*_METRICS, "averaged_test_accuracy"], *_SETTINGS[training]),
            replicates=[seed],
        )
        for seed in corrected.seeds
        for training in corrected.trainings
    ]


def _measure(metrics: list[str], *settings: str) -> list[str]:
    return [f"{setting}.{metric}" for setting in settings for metric in metrics]
