"""Which cells there are: a check of the gradients, small runs, a coarse and a fine search for the penalty λ, the final network.

The fine search lies around the best λ of the coarse one, and the final network takes the best λ of the fine one. These cells
are numbered, not named by their λ, and read it from the search's result: so it is known beforehand which cells there are.

Published: as the notebook ran them. It shuffles a training set in place: `three_cycles` starts from the order of rows that
`one_cycle` left, and each run of the searches from the one that the run before it left.

Corrected: the check by overfitting on the 100 images that the notebook's text means, λ chosen by the mean validation accuracy
of several seeds, and the final network over more seeds, which alone reads the test set: with this λ, with the published one,
and in the published stream, each evaluated where the published run ends and where its last cycle of the learning rate is
complete; and two variants. Two more cells show what the order of the rows, which the notebook hides, does to its search, and
what its binary cross-entropy and its flips do.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gradlab.engine.study import Cell, Resources
from gradlab.studies.regularization.config import Config
from gradlab.studies.regularization.search import lambda_grid

# Rows of the five training batches, half-open: a batch has 10,000.
_BATCH_1, _BATCH_2 = [0, 10000], [10000, 20000]
_SEARCH_ROWS: Mapping[str, Any] = {"train_rows": [5000, 50000], "validation_rows": [0, 5000]}
_FINAL_ROWS: Mapping[str, Any] = {"train_rows": [1000, 50000], "validation_rows": [0, 1000]}
_AT_PUBLISHED_LAMBDA = "final_at_published_lambda"
_IN_PUBLISHED_STREAM = "final_in_published_stream"
_OVERFIT_VALIDATION_ROWS = [100, 150]
# Curves of search runs and of corrected final networks have two points in a rise of the learning rate: ten cost as much as
# the training.
_CURVE_POINTS = 2

_SETS = ("training", "validation", "test")
_RUN_METRICS = [f"{images}_{what}" for images in _SETS for what in ("accuracy", "loss")]
_CYCLES = ["updates_per_epoch", "updates_per_cycle", "epochs_per_cycle", "cycles", "last_learning_rate"]

_cell = partial(Cell, study="regularization")
_choose = partial(_cell, figures=["search.svg"], resources=Resources(memory=1000, minutes=10, local=True))
_on_images = partial(_cell, data={"data": "cifar10"})


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    published = _plan_published(config)
    coarse_runs = next(cell for cell in published if cell.name == "coarse").reads["runs"]
    return [
        *published,
        *_plan_corrected(config),
        *_plan_at_published_lambda(config),
        _plan_row_order(config, coarse_runs),
        _plan_notebook_code(config),
    ]


def _plan_published(config: Config) -> list[Cell]:
    check, overfit = config.gradient_check, config.overfit
    planned = [
        _on_images(
            protocol="published",
            name="gradient_check",
            notebook="gradient_check",
            parameters={
                "rows": [0, check.images],
                "lmbda": check.lmbda,
                "step": check.step,
            },
            metrics=_measure("gradient_check", ["W1", "b1", "W2", "b2"]),
            figures=["errors.svg"],
        ),
        _plan_overfitting(config, overfit.images, protocol="published", name=f"overfit-{overfit.images}"),
    ]
    epochs: list[int] = []
    for name, run in (("one_cycle", config.one_cycle), ("three_cycles", config.three_cycles)):
        planned.append(
            _plan_training(
                config,
                protocol="published",
                name=name,
                cell=name,
                n_s=run.n_s,
                train_rows=_BATCH_1,
                validation_rows=_BATCH_2,
                lmbda=run.lmbda,
                epochs=run.epochs,
                earlier_epochs=list(epochs),
            )
        )
        epochs.append(run.epochs)
    epochs = []
    for search in ("coarse", "fine"):
        settings, runs = getattr(config, search), []
        for point in range(settings.points):
            if search == "coarse":
                penalty: dict[str, Any] = {"lmbda": _coarse_grid(config)[point]}
            else:
                penalty = {
                    "reads": {"search": "regularization/published/coarse"},
                    "lmbda": None,
                    "search_index": point,
                }
            runs.append(
                _plan_training(
                    config,
                    protocol="published",
                    name=f"{search}-{point}",
                    cell=f"{search}-{point}",
                    **_SEARCH_ROWS,
                    **penalty,
                    n_s=settings.n_s,
                    epochs=settings.epochs,
                    earlier_epochs=list(epochs),
                    evaluate_every=settings.n_s // _CURVE_POINTS,
                    test=False,
                )
            )
            epochs.append(settings.epochs)
        choice = _choose(
            protocol="published",
            name=search,
            notebook="lambda_search",
            parameters={"cell": search, "refined_points": config.fine.points},
            reads={"runs": [run.key for run in runs]},
            metrics=_measure(search, ["best_lambda"]),
        )
        planned += [*runs, choice]
    final = _plan_training(
        config,
        protocol="published",
        name="final",
        cell="final",
        **_FINAL_ROWS,
        lmbda=None,
        reads={"search": "regularization/published/fine"},
        n_s=config.final.n_s,
        epochs=config.final.epochs,
    )
    return [*planned, final]


def _plan_corrected(config: Config) -> list[Cell]:
    corrected, planned = config.corrected, []
    for seed in corrected.seeds:
        name = f"overfit-{corrected.overfit_images}-{seed}"
        planned.append(
            _plan_overfitting(
                config, corrected.overfit_images, protocol="corrected", name=name, **_seeded(config, seed)
            )
        )
    for search in ("coarse", "fine"):
        settings, runs = getattr(config, search), []
        grid: dict[str, Any] = {"lambdas": _coarse_grid(config)} if search == "coarse" else {}
        for seed in corrected.search_seeds:
            runs.append(
                _on_images(
                    protocol="corrected",
                    name=f"{search}-{seed}",
                    notebook="lambda_grid",
                    parameters={
                        "cell": search,
                        **_SEARCH_ROWS,
                        **_schedule(config, settings.n_s),
                        "epochs": settings.epochs,
                        **grid,
                        "seed": seed,
                        "root_seed": corrected.root_seed,
                    },
                    reads={} if grid else {"search": "regularization/corrected/coarse"},
                    metrics=_measure(search, ["lambdas", "validation_accuracies"]),
                    figures=["search.svg"],
                    replicates=[seed],
                    resources=Resources(memory=3000, minutes=20),
                )
            )
        choice = _choose(
            protocol="corrected",
            name=search,
            notebook="lambda_choice",
            parameters={
                "cell": search,
                "seeds": list(corrected.search_seeds),
                "refined_points": corrected.fine_points,
            },
            reads={"runs": [run.key for run in runs]},
            metrics=_measure(
                search, ["best_lambda", "mean_validation_accuracies", "pooled_sd", "p_values", "not_told_apart"]
            ),
        )
        planned += [*runs, choice]
    variants: dict[str, dict[str, Any]] = {
        "final": {"complete": True},
        "variant-flips": {"flip_probability": corrected.flip_probability},
        "variant-binary_cross_entropy": {"loss": "binary_cross_entropy"},
    }
    for cell, variation in variants.items():
        for seed in corrected.seeds:
            planned.append(
                _plan_training(
                    config,
                    protocol="corrected",
                    name=f"{cell}-{seed}",
                    cell=cell,
                    **_FINAL_ROWS,
                    lmbda=None,
                    reads={"search": "regularization/corrected/fine"},
                    evaluate_every=config.final.n_s // _CURVE_POINTS,
                    n_s=config.final.n_s,
                    epochs=config.final.epochs,
                    **_seeded(config, seed),
                    **variation,
                )
            )
    return planned


def _plan_at_published_lambda(config: Config) -> list[Cell]:
    """Plan the final network with the published λ: in the published stream, and under the seeds."""
    runs: dict[str, tuple[str, dict[str, Any]]] = {_IN_PUBLISHED_STREAM: (_IN_PUBLISHED_STREAM, {})}
    for seed in config.corrected.seeds:
        runs[f"{_AT_PUBLISHED_LAMBDA}-{seed}"] = (_AT_PUBLISHED_LAMBDA, _seeded(config, seed))
    return [
        _plan_training(
            config,
            protocol="corrected",
            name=name,
            cell=cell,
            **_FINAL_ROWS,
            lmbda=None,
            reads={"search": "regularization/published/fine"},
            n_s=config.final.n_s,
            epochs=config.final.epochs,
            evaluate_every=config.final.n_s // _CURVE_POINTS,
            complete=True,
            **seeded,
        )
        for name, (cell, seeded) in runs.items()
    ]


def _plan_row_order(config: Config, runs: str | Sequence[str]) -> Cell:
    coarse = config.coarse
    parameters = {**_SEARCH_ROWS, **_schedule(config, coarse.n_s), "epochs": coarse.epochs}
    orders = ("notebook_order", "data_order")
    return _on_images(
        protocol="corrected",
        name="row_order",
        notebook="row_order",
        parameters=parameters,
        reads={"runs": runs},
        metrics=_measure(
            "row_order",
            [
                *(f"{order}_accuracies" for order in orders),
                *(f"best_lambda_{order}" for order in orders),
                *("lambdas", "differences", "chosen_lambda_moves", "largest_absolute_difference"),
            ],
        ),
        figures=["row_order.svg"],
        resources=Resources(memory=3000, minutes=15),
    )


def _plan_notebook_code(config: Config) -> Cell:
    measured = [
        *(f"backward_error.{what}" for what in ("cross_entropy", "as_written", "with_mean", "corrected")),
        *(f"cost_of_set_twice.{what}" for what in ("as_written", "corrected")),
        *(f"loss_at.{outputs}" for outputs in ("softmax", "sigmoid")),
        *(f"left_mirrored.{what}" for what in ("view", "copy")),
    ]
    return _on_images(
        protocol="corrected",
        name="notebook_code",
        notebook="notebook_code",
        parameters={"flip_probability": config.corrected.flip_probability, "batch_size": config.batch_size},
        metrics=_measure("notebook_code", measured),
        figures=["flips.svg"],
    )


def _plan_training(
    config: Config,
    *,
    protocol: str,
    name: str,
    cell: str,
    n_s: int,
    reads: dict[str, str] | None = None,
    seed: int | None = None,
    test: bool = True,
    **parameters: Any,
) -> Cell:
    """Plan one run of the two-layer network; unless `evaluate_every` is given, curves have ten points in `n_s` updates."""
    seeded = {} if seed is None else {"seed": seed}
    given = {"cell": cell, "evaluate_every": n_s // 10, **_schedule(config, n_s), **parameters, **seeded}
    measured = ["lambda", *(metric for metric in _RUN_METRICS if test or not metric.startswith("test")), "updates"]
    if given.get("complete"):
        measured += ["complete_updates", *(f"complete_{metric}" for metric in _RUN_METRICS)]
    if given["eta_min"] < given["eta_max"]:
        measured += _CYCLES
    return _on_images(
        protocol=protocol,
        name=name,
        notebook="two_layer",
        parameters=given if test else given | {"test": False},
        reads=reads or {},
        metrics=_measure(cell, measured),
        figures=["curves.svg", "learning_rate.svg", "weights.svg"],
        replicates=[] if seed is None else [seed],
        resources=Resources(memory=3000, minutes=15),
    )


def _plan_overfitting(config: Config, images: int, *, protocol: str, name: str, **seeded: Any) -> Cell:
    """Plan a run on a handful of images of the first batch, at a constant learning rate and without penalty."""
    settings = config.overfit
    return _plan_training(
        config,
        protocol=protocol,
        name=name,
        cell=f"overfit-{images}",
        train_rows=[0, images],
        validation_rows=_OVERFIT_VALIDATION_ROWS,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        lmbda=0.0,
        n_s=500,
        eta_min=settings.learning_rate,
        eta_max=settings.learning_rate,
        test=False,
        **seeded,
    )


def _schedule(config: Config, n_s: int) -> dict[str, Any]:
    """Return batch size and cyclical learning rate of a run whose rate rises for `n_s` updates."""
    eta_min, eta_max = config.learning_rate
    return {"batch_size": config.batch_size, "eta_min": eta_min, "eta_max": eta_max, "n_s": n_s}


def _seeded(config: Config, seed: int) -> dict[str, Any]:
    """Return the parameters of a run under a seed of its own."""
    return {"seed": seed, "root_seed": config.corrected.root_seed}


def _coarse_grid(config: Config) -> list[float]:
    low, high = config.coarse.exponents
    grid: list[float] = lambda_grid(config.coarse.points, (low, high)).tolist()
    return grid


def _measure(cell: str, metrics: Sequence[str]) -> list[str]:
    return [f"{cell}.{metric}" for metric in metrics]
