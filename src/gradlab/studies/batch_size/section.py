"""Batch sizes on FashionMNIST in the report."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gradlab.engine.material import Material
from gradlab.engine.results import CellResult
from gradlab.lab import style
from gradlab.lab.residuals import pair_residuals, plot_residuals
from gradlab.lab.stats import sampling_margin, summarise_arm
from gradlab.report.blocks import Block, Heading, Table, Text, cite, draw, show_figure
from gradlab.report.comparisons import show_comparisons
from gradlab.report.text import print_figure, print_interval, print_runs, print_spread
from gradlab.studies.batch_size import law as laws
from gradlab.studies.batch_size.claims import SIZES, found_against_published, passes_needed, rate_saturates
from gradlab.studies.batch_size.config import TEST_IMAGES
from gradlab.studies.batch_size.section_plots import plot_batch_sizes, plot_interpolation, plot_law, plot_replays

_RATES = {"published_rate": "published", "found_rate": "found"}  # the trained arms, by the end of their cells' names


def show(material: Material) -> list[Block]:
    """Return what the published and the corrected protocol give."""
    return _show_replays(material) + _show_search(material) + _show_corrected(material) + _show_interpolation(material)


def _show_replays(material: Material) -> list[Block]:
    cells = material.done()
    if not cells:
        return []
    logged = {
        name: cell
        for name, cell in cells.items()
        if int(name) in SIZES and material.as_published(f"{name}.final_test_accuracy", [cell])
    }
    drawn, left_out = choose_drawn(cells, set(SIZES) & set(map(int, cells)))
    curves = _read_curves(_pick(cells, drawn))
    blocks: list[Block] = [
        Heading("As published: the notebook's own runs"),
        Text(
            "Each cell starts where the notebook stood and draws what it drew. Rounding is all that can differ. Training "
            "amplifies it until, after some passes, no digit is the same; each log's verdict says whether ours still rises "
            "and dips with the published one.",
            [cell.name for cell in cells.values()],
        ),
        _tabulate_replays(material, cells, logged),
    ]
    if logged:
        published = pd.concat([material.log(name).assign(batch_size=int(name)) for name in logged], ignore_index=True)
        blocks += [
            draw(
                plot_replays(_read_curves(logged), published),
                "replays",
                alt="A column of four panels for each batch size: accuracy and loss on training and test images over the "
                "passes, the replay as a thin line over the published one.",
                caption="Replays over the published logs.",
                cells=[cell.name for cell in logged.values()],
            ),
            draw(
                plot_residuals(
                    {f"B = {name}": pair_residuals(cell.curves, material.log(name)) for name, cell in logged.items()}
                ),
                "residuals",
                alt="For each batch size, the published training accuracy of each pass less its running median against "
                "the replay's, with their correlation.",
                caption="Training accuracy after each pass, less the running median of eleven passes, until one of the two "
                "logs stays constant: the published log against the replay.",
                cells=[cell.name for cell in logged.values()],
            ),
        ]
    return [
        *blocks,
        draw(
            plot_batch_sizes(curves, against="update"),
            "updates",
            alt="A column of two panels for each batch size: accuracy and loss on training and test images against the "
            "number of updates.",
            caption="The replays against the number of updates." + left_out,
            cells=[cells[f"{size}"].name for size in drawn],
        ),
        draw(
            plot_batch_sizes(curves, against="pass"),
            "passes",
            alt="The same panels against passes over the data.",
            caption="The replays against passes over the data." + left_out,
            cells=[cells[f"{size}"].name for size in drawn],
        ),
    ]


def _tabulate_replays(material: Material, cells: Mapping[str, CellResult], logged: Collection[str]) -> Table:
    logs = {log.id: log for log in material.logs}
    rows = []
    for name, cell in cells.items():
        metrics = cell.metrics
        same = [logs[f"{name}{part}"] if name in logged else None for part in (".trial", "")]
        difference = None
        if name in logged:
            index = ["update", "split", "metric"]
            ours, theirs = (table.set_index(index)["value"] for table in (cell.curves, material.log(f"{name}.average")))
            difference = f"{(ours.reindex(theirs.index) - theirs).abs().max():.1e}"
        rows.append(
            [
                name,
                *(log and f"{log.verdicts.get('exact', 0)} of {log.numbers}" for log in same),
                cite(difference, cell),
                cite(f"{metrics[f'{name}.trial_rounding']:.1e}", cell),
                material.published_text(f"{name}.interpolation_updates"),
                cite(metrics[f"{name}.interpolation_updates"], cell),
                material.published_text(f"{name}.final_test_accuracy"),
                cite(print_figure(metrics[f"{name}.final_test_accuracy"]), cell),
            ]
        )
    return Table(
        "Printed numbers that come out digit by digit; the running average of the trial pass, and what float32 alone changes "
        "in it.",
        [
            "Batch size",
            "Trial pass: same digits",
            "Log: same digits",
            "Running average: largest difference",
            "float32 − float64",
            "Published updates to training accuracy 1",
            "Ours",
            "Published test accuracy",
            "Ours",
        ],
        rows,
    )


def _show_search(material: Material) -> list[Block]:
    cells = {
        name.removeprefix("search-"): cell
        for name, cell in material.done("corrected").items()
        if name.startswith("search-")
    }
    if not cells:
        return []
    law = material.done("corrected").get("law")
    rows, published = [], {}
    for name, cell in cells.items():
        stable, divergent, majority = (
            cell.metrics[f"{name}.{metric}"]
            for metric in ("largest_stable_learning_rate", "divergent_learning_rate", "majority_bracket")
        )
        text = material.published_text(f"{name}.divergent_learning_rate")
        if text is not None:
            published[int(name)] = float(text)
        predicted = law.metrics.get(f"law.{name}.predicted") if law else None
        rows.append(
            [
                name,
                text,
                *(cite(_print_bracket(low, high), cell) for low, high in [(min(stable), max(divergent)), majority]),
                cite(f"{np.mean(predicted):.3g}", law) if law and predicted else None,
                cite(cell.metrics[f"{name}.learning_rate"], cell),
            ]
        )
    first = next(iter(cells.values()))
    blocks: list[Block] = [
        Heading("Corrected: divergent learning rates by a rule"),
        Text(
            "A rate diverges if within one pass the smoothed training loss, the mean over a tenth of the pass, becomes "
            "non-finite or ends no lower than the untrained network's loss on the same minibatches. For each of "
            f"{len(first.parameters['seeds'])} seeds the threshold is bracketed and bisected until the smallest divergent rate "
            f"is at most {100 * first.parameters['tolerance']:g} % above the largest stable one. Training takes half of the "
            "smallest rate at which the majority diverges."
        ),
        Table(
            "[largest stable, smallest divergent] learning rate: over all seeds, and for their majority.",
            ["Batch size", "Published, by eye", "Over all seeds", "Majority", "By the law", "Half of the majority's"],
            rows,
        ),
    ]
    if law is not None:
        seeds, sizes, fitted = (law.parameters[name] for name in ("seeds", "batch_sizes", "fitted"))
        if all(f"{size}" in cells for size in sizes):
            brackets = laws.tabulate_brackets({size: cells[f"{size}"].metrics for size in sizes}, seeds)
            of_seeds = laws.fit_seeds(brackets, fitted)
            blocks.append(
                draw(
                    plot_law(laws.add_predictions(brackets, of_seeds), of_seeds, fitted, published),
                    "law",
                    alt="Left: for each batch size the bracket of the divergent learning rate under each seed, the fitted "
                    "law of each seed as a line, and the published rates as hollow diamonds. Right: the same brackets "
                    "divided by the law.",
                    caption="The divergent learning rate against the batch size, and the law 1/η* = a + b/B (Ma, Bassily and "
                    f"Belkin, 2018), fitted at batch sizes {min(fitted)} to {max(fitted)}.",
                    finding=rate_saturates(material) or "",
                    cells=[law.name],
                )
            )
    name, shown = next(iter(cells.items()))
    return [
        *blocks,
        show_figure(
            shown,
            "search",
            f"The search at batch size {name}: the loss at the rates tried, and the bracket of each seed.",
        ),
    ]


def _trained(material: Material, rate: str) -> dict[str, CellResult]:
    """Return the complete trainings of an arm, by their batch sizes, smallest first."""
    done = material.done("corrected").items()
    cells = {name.removesuffix(f"-{rate}"): cell for name, cell in done if name.endswith(f"-{rate}")}
    return dict(sorted(cells.items(), key=lambda item: int(item[0])))


def _prefix(size: str, rate: str) -> str:
    return size if rate == "published_rate" else f"{size}.{rate}"


def _show_corrected(material: Material) -> list[Block]:
    arms = {rate: cells for rate in _RATES if (cells := _trained(material, rate))}
    if not arms:
        return []
    every = [cell for cells in arms.values() for cell in cells.values()]
    comparisons, compared = {}, {}
    for size, comparison in found_against_published(material).items():
        name = f"B = {size}, found − published rate"
        comparisons[name], compared[name] = (
            comparison,
            [arms[rate][f"{size}"] for rate in ("found_rate", "published_rate")],
        )
    blocks: list[Block] = [
        Heading("Corrected: several seeds, at half of either rate"),
        Table(
            f"Mean ± standard deviation over {max(len(cell.parameters['seeds']) for cell in every)} seeds; the interval is the "
            "95 % t interval of the mean. Training subset, initial weights and the order of the images vary with the seed, and "
            f"the test images do not: with {TEST_IMAGES:,} others, any of the accuracies would move by about "
            f"±{sampling_margin(_mean_accuracy(arms), TEST_IMAGES):.3f}.",
            [
                "Batch size",
                "Half of the rate",
                "Learning rate",
                "Test accuracy",
                "95 % interval",
                "Mean of the last five passes",
                "Updates to training accuracy 1",
            ],
            [_row(size, rate, cell) for rate, cells in arms.items() for size, cell in cells.items()],
        ),
        *show_comparisons(comparisons, compared, quantity="test accuracy"),
    ]
    for rate, cells in arms.items():
        drawn, left_out = choose_drawn(cells, set(SIZES) & set(map(int, cells)))
        curves = _read_curves(_pick(cells, drawn))
        blocks.append(
            draw(
                plot_batch_sizes(curves, against="pass"),
                f"{rate.replace('_', '-')}-passes",
                alt="A column of two panels for each batch size: accuracy and loss on training and test images against "
                "passes over the data, median over seeds with a band over their middle half.",
                caption=f"At half of the {_RATES[rate]} divergent rate of each batch size."
                + _describe_largest_loss(curves)
                + left_out,
            )
        )
    return blocks


def _mean_accuracy(arms: Mapping[str, Mapping[str, CellResult]]) -> float:
    """Return the mean test accuracy of all runs that have one."""
    runs = [
        run
        for rate, cells in arms.items()
        for size, cell in cells.items()
        for run in cell.metrics[f"{_prefix(size, rate)}.final_test_accuracy"]
        if run is not None
    ]
    return float(np.mean(runs)) if runs else 0.5


def _row(size: str, rate: str, cell: CellResult) -> list[Any]:
    metrics, prefix = cell.metrics, _prefix(size, rate)
    accuracy = summarise_arm(metrics[f"{prefix}.final_test_accuracy"])
    return [
        size,
        _RATES[rate],
        cite(metrics[f"{prefix}.learning_rate"], cell),
        cite(print_spread(accuracy), cell),
        print_interval(accuracy.mean_interval) or accuracy.method,
        cite(print_runs(metrics[f"{prefix}.test_accuracy_mean_last_five"]), cell),
        cite(print_runs(metrics[f"{prefix}.interpolation_updates"]), cell),
    ]


def _show_interpolation(material: Material) -> list[Block]:
    arms = {"replay": material.done()} | {
        f"{len(next(iter(cells.values())).parameters['seeds'])} seeds, {name} rate": cells
        for rate, name in _RATES.items()
        if (cells := _trained(material, rate))
    }
    tables = [
        _read_interpolation(size, arm, cell, _prefix(size, "found_rate") if arm.endswith("found rate") else size)
        for arm, cells in arms.items()
        for size, cell in cells.items()
    ]
    if not tables:
        return []
    published = [
        {"batch_size": size, "updates": int(text), "passes": int(text) // round(6000 / size)}
        for size in SIZES
        if (text := material.published_text(f"{size}.interpolation_updates"))
    ]
    return [
        Heading("Interpolation: until every training image is classified correctly"),
        draw(
            plot_interpolation(pd.concat(tables, ignore_index=True), pd.DataFrame(published) if published else None),
            "interpolation",
            alt="A mark for each run: the updates, and the passes, until the training accuracy is exactly 1, against the batch "
            "size; replay, seeds at half of the published rate and at half of the rate found, and the published run.",
            caption="Updates and passes until the training accuracy is exactly 1.",
            finding=passes_needed(material) or "",
            cells=[cell.name for found in arms.values() for cell in found.values()],
        ),
    ]


def _read_interpolation(size: str, arm: str, cell: CellResult, prefix: str) -> pd.DataFrame:
    """Return passes and updates until interpolation of every run of a cell, and where its training ended."""
    reached = {}
    for unit in ("passes", "updates"):
        runs = cell.metrics[f"{prefix}.interpolation_{unit}"]
        reached[unit] = runs if isinstance(runs, list) else [runs]
    last = cell.parameters["passes"]
    updates = last * round(cell.parameters["subset_size"] / int(size))
    return pd.DataFrame({"batch_size": int(size), "arm": arm, **reached, "last_pass": last, "last_update": updates})


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


def _read_curves(cells: Mapping[str, CellResult]) -> pd.DataFrame:
    """Return the curves of several batch sizes in one table with the column `batch_size`."""
    return pd.concat([cell.curves.assign(batch_size=int(name)) for name, cell in cells.items()], ignore_index=True)


def _print_bracket(low: float, high: float) -> str:
    return f"[{low:.4g}, {high:.4g}]"


def _describe_largest_loss(curves: pd.DataFrame) -> str:
    """Say where one run's test loss is far from the others'; an empty text where none is."""
    last = curves[(curves["pass"] == curves["pass"].max()) & (curves["split"] == "test") & (curves["metric"] == "loss")]
    last = last.dropna(subset=["value"])
    median = last["value"].median()
    if last.empty or last["value"].max() < 10 * median:
        return ""
    largest = last.loc[last["value"] == last["value"].max()].iloc[0]
    return (
        f" At the end the test loss of seed {largest['seed']} at batch size {largest['batch_size']} is "
        f"{largest['value']:.3g}, the median over all runs {median:.3g}: a pixel that is 0 in a whole training subset "
        "is divided by little more than 1e-6 in the few test images that use it; the cells' notebooks show the seeds concerned."
    )
