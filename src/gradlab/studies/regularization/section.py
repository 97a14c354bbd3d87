"""The two-layer network on CIFAR-10 in the report."""

from collections.abc import Sequence

import pandas as pd

from gradlab.engine.material import Material
from gradlab.lab.arms import plot_arms
from gradlab.lab.stats import summarise_arm
from gradlab.report.blocks import Block, Gallery, Heading, Table, Text, cite, draw, show_figure
from gradlab.report.comparisons import show_comparisons
from gradlab.report.text import print_interval, print_runs, print_spread
from gradlab.studies.regularization.claims import (
    AGAINST_FINAL,
    AT_PUBLISHED_LAMBDA,
    COMPLETE,
    IN_PUBLISHED_STREAM,
    VARIANTS,
    describe_choice,
    describe_sampling,
    digit_by_digit,
    final_over_seeds,
)
from gradlab.studies.regularization.section_plots import compare_searches


def show(material: Material) -> list[Block]:
    """Return what the published and the corrected protocol give."""
    return (
        _show_published(material)
        + _show_row_order(material)
        + _show_overfitting(material)
        + _show_choice(material)
        + _show_final(material)
        + _show_notebook_code(material)
    )


def _show_published(material: Material) -> list[Block]:
    cells = material.done()
    blocks: list[Block] = []
    if check := cells.get("gradient_check"):
        names = ("W1", "b1", "W2", "b2")
        blocks += [
            Heading("Gradient check"),
            Table(
                "Relative error of the written-out gradients against centred differences, over every parameter.",
                ["Parameter", "Published", "Ours"],
                [
                    [n, material.published_text(metric), cite(check.metrics[metric], check)]
                    for n, metric in ((name, f"gradient_check.{name}") for name in names)
                ],
            ),
            show_figure(check, "errors", "Too large a step truncates, too small a step rounds."),
        ]
    blocks += _trainings(
        material, [name for name in cells if name.startswith("overfit-")], "Overfitting a handful of images"
    )
    blocks += _trainings(material, ["one_cycle", "three_cycles"], "Cyclical learning rates")
    searches: dict[str, pd.DataFrame] = {
        name: _search_table(material, name) for name in ("coarse", "fine") if name in cells
    }
    if searches:
        blocks += [
            Heading("Search for λ"),
            draw(
                compare_searches(searches),
                "searches",
                alt="Validation accuracy against λ for the coarse and the fine search; ours as dots joined by lines, "
                "published as hollow rings.",
                caption="Validation accuracy against λ. A ring around a dot: the published and the reproduced value agree.",
                finding=digit_by_digit(material) or "",
                cells=[cells[name].name for name in searches],
            ),
        ]
        for name, table in searches.items():
            blocks.append(
                Table(
                    f"The {name} search: validation accuracy; best λ {cells[name].metrics[f'{name}.best_lambda']!r}.",
                    ["λ", "Published", "Ours"],
                    [
                        [lmbda, text, cite(ours, cells[cell])]
                        for cell, lmbda, text, ours in table[["cell", "lambda", "text", "ours"]].itertuples(index=False)
                    ],
                )
            )
    blocks += _trainings(material, ["final"], "Final network")
    return blocks


def _show_row_order(material: Material) -> list[Block]:
    cell = material.done("corrected").get("row_order")
    if cell is None:
        return []
    columns = [
        cell.metrics[f"row_order.{name}"]
        for name in ("lambdas", "notebook_order_accuracies", "data_order_accuracies", "differences")
    ]
    return [
        Heading("Hidden state: the order of the rows"),
        Text(
            "The notebook shuffles its training set in place, so each run starts from the order that the runs before "
            "it left. The same λ and the same seed, once from that order and once from the data's own:"
        ),
        show_figure(cell, "row_order", "Validation accuracy against λ from the two orders, and the difference."),
        Table(
            "Validation accuracy of the coarse search by the order of the rows before the first shuffle.",
            ["λ", "Notebook's order", "Data's own order", "Difference"],
            [[lmbda, *(cite(value, cell) for value in values)] for lmbda, *values in zip(*columns, strict=True)],
        ),
    ]


def _show_overfitting(material: Material) -> list[Block]:
    cells = {n: c for n, c in material.done("corrected").items() if n.startswith("overfit-")}
    if not cells:
        return []
    name, cell = next(iter(cells.items()))
    prefix = cell.parameters["cell"]
    runs = list(material.runs(f"{prefix}.training_accuracy").values())
    full = sum(run == 1 for run in runs)
    return [
        Heading(f"Corrected: overfitting {cell.parameters['train_rows'][1]} images"),
        Text(
            f"Training accuracy after {cell.parameters['epochs']} epochs: {print_runs(runs)} over {len(runs)} seeds; "
            f"exactly 1 under {full} of them.",
            [cell.name for cell in cells.values()],
        ),
        show_figure(cell, "curves", f"{name}: cost, loss and accuracy over updates."),
    ]


def _show_choice(material: Material) -> list[Block]:
    cells = {n: c for n, c in material.done("corrected").items() if n in ("coarse", "fine")}
    blocks: list[Block] = []
    for name, cell in cells.items():
        found = {metric.partition(".")[2]: value for metric, value in cell.metrics.items()}
        rows = zip(found["lambdas"], found["mean_validation_accuracies"], found["p_values"], strict=True)
        alike, spread = found["not_told_apart"], found["pooled_sd"]
        blocks += [
            show_figure(cell, "search", f"The {name} search: every seed as a dot, and the mean."),
            Table(
                f"The {name} search: {describe_choice(cell)}"
                + ("" if spread is None else f"; standard deviation over the seeds, pooled over the grid: {spread:.4f}")
                + ".",
                ["λ", "Mean validation accuracy", "p (adjusted)", "Against the chosen λ"],
                [
                    [
                        lmbda,
                        cite(accuracy, cell),
                        None if p_value is None else f"{p_value:.2g}",
                        "chosen" if lmbda == found["best_lambda"] else "not told apart" if lmbda in alike else "lower",
                    ]
                    for lmbda, accuracy, p_value in rows
                ],
            ),
        ]
    if not blocks:
        return []
    return [
        Heading("Corrected: λ chosen over several seeds"),
        Text(
            "Every λ is held against the one with the highest mean by Dunnett's one-sided test: one variance for all λ, one "
            "error rate for all comparisons. With as many seeds for each λ this is Hsu's comparison with the best, which "
            "allows for the best being chosen by the same accuracies. With one seed nothing is told apart."
        ),
        *blocks,
        *_show_shared_images(material),
    ]


def _show_shared_images(material: Material) -> list[Block]:
    """Say how many validation images of the final network are among those that chose λ."""
    final, search = material.find("corrected/final-*"), material.find("corrected/fine-*")
    if not final or not search:
        return []
    (start, end), (first, last) = (cells[0].parameters["validation_rows"] for cells in (final, search))
    shared = max(0, min(end, last) - max(start, first))
    return [
        Text(
            f"Of the {end - start:,} validation images of the final network, {shared:,} are among the {last - first:,} that "
            "chose λ: its validation accuracy flatters it. The test images had no part in the choice."
        )
    ]


def _show_final(material: Material) -> list[Block]:
    cut_off, complete = "test_accuracy", "complete_test_accuracy"
    arms = {
        ("final", cut_off): "final",
        ("final", complete): "final, last cycle complete",
        (AT_PUBLISHED_LAMBDA, cut_off): "published λ",
        (AT_PUBLISHED_LAMBDA, complete): "published λ, last cycle complete",
        **{(cell, cut_off): words for cell, words in VARIANTS.items()},
    }
    runs = {arm: material.runs(".".join(arm)) for arm in arms}
    runs = {arm: found for arm, found in runs.items() if any(value is not None for value in found.values())}
    if not runs:
        return []
    rows = []
    for (cell, metric), found in runs.items():
        arm = summarise_arm(list(found.values()))
        seeds = material.corrected(f"{cell}.{metric}")
        others = [
            cite(print_runs(list(material.runs(f"{cell}.{metric.replace('test', split)}").values())), *seeds)
            for split in ("training", "validation")
        ]
        rows.append(
            [
                arms[cell, metric],
                arm.n,
                *others,
                material.published_text(f"{cell}.{metric}"),
                cite(print_spread(arm), *seeds),
                print_interval(arm.mean_interval) or arm.method,
            ]
        )
    compared = {name: [cell] for cell, name in COMPLETE.items()}
    compared |= {name: [cell, "final"] for cell, name in AGAINST_FINAL.items()}
    first = summarise_arm(list(next(iter(runs.values())).values()))
    published = material.published_text("final.test_accuracy")
    blocks: list[Block] = [
        Heading("Corrected: the final network, its last cycle complete, and its variants, several seeds"),
        Table(
            "The test set is read where the published run ends and where the last cycle of the learning rate is complete; "
            "nothing is chosen by it. Mean ± standard deviation over the seeds, which vary the initial weights and the order "
            "of the images; the interval is the 95 % t interval of the mean.",
            [
                "Network",
                "Seeds",
                "Training accuracy",
                "Validation accuracy",
                "Published test accuracy",
                "Test accuracy",
                "95 % interval",
            ],
            rows,
        ),
        draw(
            plot_arms(
                pd.DataFrame(
                    [(arms[arm], seed, value) for arm, found in runs.items() for seed, value in found.items()],
                    columns=["arm", "seed", "value"],
                ),
                published={"final": float(published)} if published else None,
                label="test accuracy",
            ),
            "arms",
            alt="Test accuracy of every run of the final network and of its variants as a dot, with means and 95 % "
            "intervals, and the published accuracy as a hollow diamond.",
            caption="Every run, the mean and its 95 % interval; published: hollow diamond.",
            finding=final_over_seeds(material) or "",
            cells=[run.name for cell, _ in runs for run in material.corrected(f"{cell}.test_accuracy")],
        ),
    ]
    if first.mean is not None:
        blocks.append(Text(describe_sampling(first.mean)))
    return [
        *blocks,
        *show_comparisons(
            {name: material.comparison(name) for name in compared},
            {
                name: [cell for arm in arms for cell in material.corrected(f"{arm}.test_accuracy")]
                for name, arms in compared.items()
            },
            quantity="test accuracy",
        ),
        *_show_stream(material),
    ]


def _show_stream(material: Material) -> list[Block]:
    """Show what finishing the last cycle does to the published run."""
    cell = material.done("corrected").get(IN_PUBLISHED_STREAM)
    if cell is None:
        return []
    ends = {"as published": "", "last cycle complete (ours)": "complete_"}
    return [
        Table(
            "The published final network, and the same random stream until its last cycle of the learning rate is complete.",
            ["Run", "Updates", "Validation accuracy", "Test accuracy"],
            [
                [
                    words,
                    *(
                        cite(cell.metrics[f"{IN_PUBLISHED_STREAM}.{prefix}{metric}"], cell)
                        for metric in ("updates", *_ACCURACIES[1:])
                    ),
                ]
                for words, prefix in ends.items()
            ],
        ),
        show_figure(cell, "curves", "Cost, loss and accuracy over updates, with the last cycle complete."),
    ]


def _show_notebook_code(material: Material) -> list[Block]:
    cell = material.done("corrected").get("notebook_code")
    if cell is None:
        return []
    found = {name.removeprefix("notebook_code."): value for name, value in cell.metrics.items()}
    costs = {
        "cross-entropy, as written": (found["backward_error.cross_entropy"], None),
        "binary cross-entropy, as written": (found["backward_error.as_written"], found["cost_of_set_twice.as_written"]),
        "the same, divided by the number of images": (found["backward_error.with_mean"], None),
        "binary cross-entropy, ours": (found["backward_error.corrected"], found["cost_of_set_twice.corrected"]),
    }
    return [
        Heading("What the notebook's binary cross-entropy and flips do"),
        Table(
            "The code that is never trained with, written out and measured: relative error of the backward pass against "
            "differences of the cost, and the cost of the same images twice over their cost once.",
            ["Cost", "Error of the backward pass", "Images twice"],
            [
                [words, cite(f"{error:.2g}", cell), None if twice is None else cite(f"{twice:.4g}", cell)]
                for words, (error, twice) in costs.items()
            ],
        ),
        show_figure(cell, "flips", "The share of the training set that is mirrored after each epoch of flips."),
    ]


_ACCURACIES = ("training_accuracy", "validation_accuracy", "test_accuracy")


def _trainings(material: Material, names: Sequence[str], heading: str) -> list[Block]:
    """Return curves, learning rate and weights of those of the named runs that are complete."""
    cells = material.done()
    blocks: list[Block] = []
    for name in filter(cells.get, names):
        ends = [_describe_metric(material, name, metric) for metric in _ACCURACIES]
        caption = f"{name}: cost, loss and accuracy over updates. At the end: {', '.join(filter(None, ends))}."
        blocks += [
            show_figure(cells[name], "curves", caption),
            Gallery(
                [
                    show_figure(cells[name], "learning_rate", f"{name}: the learning rate over updates."),
                    show_figure(cells[name], "weights", f"{name}: the first layer's weights, an image for each unit."),
                ]
            ),
        ]
    return [Heading(heading), *blocks] if blocks else []


def _describe_metric(material: Material, name: str, metric: str) -> str | None:
    """Say what a run measured, and what was published for it; None where it measured no such thing."""
    value = material.done()[name].metrics.get(f"{name}.{metric}")
    if value is None:
        return None
    published = material.published_text(f"{name}.{metric}")
    return f"{metric.replace('_', ' ')} {value:.4g}" + (f" (published {published})" if published else "")


def _search_table(material: Material, search: str) -> pd.DataFrame:
    """Return cell, λ, our validation accuracy and the published one, as printed and as a number, for every run of a search."""
    cells = material.done()
    rows = []
    for key in cells[search].planned.sources:
        name = key.rpartition("/")[2]
        run = cells[name].metrics
        accuracy = f"{name}.validation_accuracy"
        text = material.published_text(accuracy)
        rows.append((name, run[f"{name}.lambda"], text, float(text or "nan"), run[accuracy]))
    return pd.DataFrame(rows, columns=["cell", "lambda", "text", "published", "ours"])
