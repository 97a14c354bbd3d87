"""Batch sizes on FashionMNIST in the report."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from gradlab.engine.material import Material
from gradlab.engine.results import CellResult
from gradlab.lab import style
from gradlab.lab.arms import plot_brackets
from gradlab.lab.stats import summarise_arm
from gradlab.report.blocks import Block, Cited, Heading, Table, Text, cite, draw, show_figure
from gradlab.report.comparisons import show_comparisons
from gradlab.report.text import print_interval, print_runs, print_spread
from gradlab.studies.batch_size.claims import SUBSET, compare_rates
from gradlab.studies.batch_size.plots import interpolation_bars, plot_batch_sizes

_HEADER = [
    "Batch size",
    "Learning rate",
    "Published test accuracy",
    "Our test accuracy",
    "95 % interval",
    "Mean of the last five passes",
    "Published updates to training accuracy 1",
    "Our updates",
]


def show(material: Material) -> list[Block]:
    """Return what the published and the corrected protocol give."""
    return _show_published(material) + _show_search(material) + _show_corrected(material)


def _show_published(material: Material) -> list[Block]:
    cells = material.done()
    if not cells:
        return []
    log = material.logs_of("batch_size", ("1", "2", "4", "8", "16")).astype({"batch_size": int})
    log["update"] = log["pass"] * (SUBSET / log["batch_size"]).round().astype(int)
    interpolated = _published_interpolation(material)
    drawn, left_out = choose_drawn(cells, set(interpolated["batch_size"]))
    curves = _read_curves(cells, drawn)
    seeds = max(len(cell.parameters["seeds"]) for cell in cells.values())
    return [
        Heading("As published: half of the rates found by eye"),
        Table(
            _describe_arms(seeds),
            _HEADER,
            [_row(material, name, cell) for name, cell in cells.items()],
        ),
        draw(
            plot_batch_sizes(curves, log, against="update"),
            "updates",
            alt="Four panels: loss and accuracy on training and test images against the number of updates, a line for "
            "each batch size, median over seeds with a band over their middle half, published dashed.",
            caption="Against the number of updates. Ours: median of the seeds, band over their middle half; published: dashed. "
            + _describe_largest_loss(material)
            + left_out,
        ),
        draw(
            plot_batch_sizes(curves, log, against="pass"),
            "passes",
            alt="The same four panels against passes over the data.",
            caption="Against passes over the data." + left_out,
        ),
        draw(
            interpolation_bars(_interpolation_runs(_pick(cells, drawn)), interpolated),
            "interpolation",
            alt="Bars of the updates and of the passes until the training accuracy is exactly 1, for each batch size, "
            "ours beside the published ones.",
            caption="Updates and passes until the training accuracy is exactly 1. "
            + _describe_rounding(log, interpolated)
            + left_out,
        ),
    ]


def _show_search(material: Material) -> list[Block]:
    cells = {
        name.removeprefix("search-"): cell
        for name, cell in material.done("corrected").items()
        if name.startswith("search-")
    }
    if not cells:
        return []
    rows, brackets, published = [], [], {}
    for name, cell in cells.items():
        stable, divergent, majority = (
            cell.metrics[f"{name}.{metric}"]
            for metric in ("largest_stable_learning_rate", "divergent_learning_rate", "majority_bracket")
        )
        text = material.published_text(f"{name}.divergent_learning_rate")
        if text is not None:
            published[int(name)] = float(text)
        seeds = cell.parameters["seeds"]
        brackets += [
            {"batch_size": int(name), "seed": seed, "stable": low, "divergent": high}
            for seed, low, high in zip(seeds, stable, divergent, strict=True)
        ]
        rows.append(
            [
                name,
                text,
                *(cite(_print_bracket(low, high), cell) for low, high in [(min(stable), max(divergent)), majority]),
                cite(cell.metrics[f"{name}.learning_rate"], cell),
            ]
        )
    return [
        Heading("Corrected: divergent learning rates by a rule"),
        Text(
            "A rate diverges if within one pass the smoothed training loss, the mean over a tenth of the pass, becomes "
            "non-finite or ends no lower than the untrained network's loss on the same minibatches. For each of "
            f"{len(seeds)} seeds the threshold is bracketed and bisected until the smallest divergent rate is at most "
            f"{100 * next(iter(cells.values())).parameters['tolerance']:g} % above the largest stable one. Training then "
            "takes half of the smallest rate at which the majority diverges."
        ),
        Table(
            "[largest stable, smallest divergent] learning rate: over all seeds, and for their majority.",
            ["Batch size", "Published, by eye", "Over all seeds", "Majority", "Learning rate for training"],
            rows,
        ),
        draw(
            plot_brackets(pd.DataFrame(brackets), published),
            "brackets",
            alt="For each batch size the bracket of the divergent learning rate under each seed, on a logarithmic "
            "axis, and the published rate as a hollow diamond.",
            caption="Brackets of the divergent learning rate, one for each seed; published: hollow diamond.",
        ),
        show_figure(
            list(cells.values())[-1],
            "search",
            f"The search at batch size {list(cells)[-1]}: the loss at the rates tried, and the bracket of each seed.",
        ),
    ]


def _show_corrected(material: Material) -> list[Block]:
    cells = {name: cell for name, cell in material.done("corrected").items() if name.isdigit()}
    if not cells:
        return []
    interpolated = _published_interpolation(material)
    drawn, left_out = choose_drawn(cells, set(interpolated["batch_size"]))
    comparisons, compared = {}, {}
    for size, comparison in compare_rates(material).items():
        name = f"B = {size}, found − published rate"
        comparisons[name], compared[name] = comparison, [cells[size], material.done()[size]]
    return [
        Heading("Corrected: half of the rates found"),
        Table(
            _describe_arms(max(len(cell.parameters["seeds"]) for cell in cells.values())),
            _HEADER,
            [_row(material, name, cell) for name, cell in cells.items()],
        ),
        *show_comparisons(comparisons, compared, quantity="test accuracy"),
        draw(
            plot_batch_sizes(_read_curves(cells, drawn), against="pass"),
            "corrected-passes",
            alt="Four panels: loss and accuracy on training and test images against passes over the data, a line for "
            "each batch size, median over seeds with a band over their middle half.",
            caption="Against passes over the data, at half of the divergent rate found for each batch size." + left_out,
        ),
        draw(
            interpolation_bars(_interpolation_runs(_pick(cells, drawn)), interpolated),
            "corrected-interpolation",
            alt="Bars of the updates and of the passes until the training accuracy is exactly 1, for each batch size, "
            "at half of the rates found, beside the published ones.",
            caption="Updates and passes until the training accuracy is exactly 1, every seed as a dot." + left_out,
        ),
    ]


def _describe_arms(seeds: int) -> str:
    return (
        f"Mean ± standard deviation over {seeds} seeds; the interval is the 95 % t interval of the mean. Training "
        "subset, initial weights and the order of the images vary with the seed."
    )


def _row(material: Material, name: str, cell: CellResult) -> list[str | Cited | None]:
    """Return the row of one batch size under `_HEADER`."""
    metrics = cell.metrics
    accuracy = summarise_arm(metrics[f"{name}.final_test_accuracy"])
    return [
        name,
        cite(metrics[f"{name}.learning_rate"], cell),
        material.published_text(f"{name}.final_test_accuracy"),
        cite(print_spread(accuracy), cell),
        print_interval(accuracy.mean_interval) or accuracy.method,
        cite(print_runs(metrics[f"{name}.test_accuracy_mean_last_five"]), cell),
        material.published_text(f"{name}.interpolation_updates"),
        cite(print_runs(metrics[f"{name}.interpolation_updates"]), cell),
    ]


def choose_drawn(cells: Collection[str], published: set[int]) -> tuple[list[int], str]:
    """Return the batch sizes that figures draw, and what to say where they are not all of them.

    A figure has as many as there are colours: the published ones, and of the others some from the smallest to the largest.
    """
    sizes = sorted({int(name) for name in cells} | published)
    room = len(style.COLOURS)
    if len(sizes) <= room:
        return sizes, ""
    others = [size for size in sizes if size not in published]
    places = np.linspace(0, len(others) - 1, room - len(published)).round().astype(int)
    drawn = sorted({*published, *(others[place] for place in places)})
    return drawn, f" Drawn are {len(drawn)} of {len(sizes)} batch sizes; the table has all of ours."


def _pick(cells: Mapping[str, CellResult], drawn: Collection[int]) -> dict[str, CellResult]:
    return {name: cell for name, cell in cells.items() if int(name) in drawn}


def _read_curves(cells: Mapping[str, CellResult], drawn: Collection[int]) -> pd.DataFrame:
    """Return the curves of the batch sizes that are drawn, in one table with the column `batch_size`."""
    tables = [cell.curves.assign(batch_size=int(name)) for name, cell in _pick(cells, drawn).items()]
    return pd.concat(tables, ignore_index=True)


def _interpolation_runs(cells: Mapping[str, CellResult]) -> pd.DataFrame:
    """Return passes and updates until interpolation of every run: batch_size, seed, passes, updates."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "batch_size": int(name),
                    "seed": cell.parameters["seeds"],
                    "passes": cell.metrics[f"{name}.interpolation_passes"],
                    "updates": cell.metrics[f"{name}.interpolation_updates"],
                }
            )
            for name, cell in cells.items()
        ],
        ignore_index=True,
    )


def _print_bracket(low: float, high: float) -> str:
    return f"[{low:.4g}, {high:.4g}]"


def _describe_largest_loss(material: Material) -> str:
    """Say where one run's test loss is far from the others'; an empty text where none is."""
    curves = material.curves("batch_size")
    last = curves[(curves["pass"] == curves["pass"].max()) & (curves["split"] == "test") & (curves["metric"] == "loss")]
    last = last.dropna(subset=["value"])
    median = last["value"].median()
    if last.empty or last["value"].max() < 10 * median:
        return ""
    largest = last.loc[last["value"] == last["value"].max()].iloc[0]
    return (
        f"At the end the test loss of seed {largest['seed']} at batch size {largest['batch_size']} is "
        f"{largest['value']:.3g}, the median over all runs {median:.3g}: a pixel that is 0 in a whole training subset "
        "is divided by little more than 1e-6 in the few test images that use it; the cells' notebooks show the seeds concerned."
    )


def _published_interpolation(material: Material) -> pd.DataFrame:
    rows = []
    for entry in material.entries:
        size, _, metric = entry.id.partition(".")
        if metric == "interpolation_updates":
            updates, updates_per_pass = int(entry.published), round(SUBSET / int(size))
            rows.append({"batch_size": int(size), "updates": updates, "passes": updates / updates_per_pass})
    return pd.DataFrame(rows)


def _describe_rounding(log: pd.DataFrame, interpolated: pd.DataFrame) -> str:
    """Say at which batch sizes the published log prints full training accuracy before the published interpolation."""
    full = log[(log["split"] == "train") & (log["metric"] == "accuracy") & (log["value"] == 1)]
    first = full.groupby("batch_size")["pass"].min()
    published = interpolated.set_index("batch_size")["passes"]
    early = [
        f"B = {size} from pass {first[size]} on"
        for size in published.index
        if size in first and first[size] < published[size]
    ]
    return f"The published log prints 1.000 earlier ({', '.join(early)}): that is rounding." if early else ""
