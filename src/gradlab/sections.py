"""What the report shows of each study, made from the results alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gradlab.blocks import Answers, Block, Gallery, Heading, Table, Text, draw, show_figure
from gradlab.ledger import Entry
from gradlab.plots.augmentation import plot_settings
from gradlab.plots.batch_size import interpolation_bars, plot_batch_sizes
from gradlab.plots.regularization import compare_searches
from gradlab.published import load_log
from gradlab.results import CellResult
from gradlab.stats import summarise_arm

PUBLISHED_SUBSET_SIZE = 6000  # training images of the published batch-size study (F §3)


@dataclass(frozen=True)
class Section:
    """One study in the report."""

    study: str
    title: str
    question: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Material:
    """What the sections are made from: the results of the cells, the ledger, and the folder of the published figures."""

    results: Mapping[str, CellResult]
    entries: Sequence[Entry]
    published: Path

    def done(self, study: str) -> dict[str, CellResult]:
        """The complete cells of a study, by their short names."""
        return {cell.cell: cell for cell in self.results.values() if cell.study == study and cell.status == "done"}

    def curves(self, study: str, key: str) -> pd.DataFrame:
        """The curves of all complete cells of a study in one table, with the cell's name as the column `key`."""
        return pd.concat([cell.curves.assign(**{key: name}) for name, cell in self.done(study).items()])

    def published_text(self, figure_id: str) -> str | None:
        """A published figure as printed, None where there is none of this name."""
        return next((entry.published for entry in self.entries if entry.id == figure_id), None)


def build_sections(material: Material) -> list[Section]:
    """Return the section of every study of the plan, in the plan's order."""
    planned = dict.fromkeys(cell.study for cell in material.results.values())
    return [_build_section(study, material) for study in planned]


def _build_section(study: str, material: Material) -> Section:
    title, question, build = _STUDIES[study]
    blocks = build(material) if material.done(study) else [Text("No cell of this study has run.")]
    return Section(study, title, question, blocks)


def _autodiff(material: Material) -> list[Block]:
    blocks: list[Block] = []
    for name, cell in material.done("autodiff").items():
        blocks += [
            Heading(name.capitalize()),
            Gallery(
                [
                    show_figure(cell, "function", "The function, and the derivative that autograd returns."),
                    show_figure(cell, "detail", "The evidence at close range."),
                ]
            ),
            Answers(cell.answers),
        ]
    return blocks


def _augmentation(material: Material) -> list[Block]:
    cells = material.done("augmentation")
    rows = []
    for name, cell in cells.items():
        entry = next(entry for entry in material.entries if entry.id == f"{name}.final_test_accuracy")
        metrics = cell.metrics
        rows.append(
            [
                name,
                entry.shown or entry.published,
                entry.published,
                metrics[f"{name}.final_test_accuracy"],
                metrics[f"{name}.test_accuracy_mean_last_five"],
                metrics[f"{name}.passes"],
            ]
        )
    return [
        Table(
            "Test accuracy at the end of each setting. Where the printed figure differs from the log, the notebook printed "
            "the test loss.",
            ["Setting", "Printed", "Published log", "Ours", "Ours, mean of the last five passes", "Passes"],
            rows,
        ),
        draw(
            plot_settings(material.curves("augmentation", "setting"), load_log(material.published, "augmentation")),
            alt="Four panels: loss and accuracy on training and test images over passes, for each setting, reproduced as "
            "full lines and published as dashed ones.",
            caption="Loss and accuracy over passes, ours (full) and published (dashed). Both start from the same random "
            "state; float32 rounding parts them slowly.",
        ),
        show_figure(
            next(iter(cells.values())),
            "samples",
            "Five training images, and the same five under one crop and one angle.",
        ),
    ]


def _batch_size(material: Material) -> list[Block]:
    cells = material.done("batch_size")
    log = load_log(material.published, "batch_size")
    runs, rows = [], []
    for name, cell in cells.items():
        metrics = cell.metrics
        for seed, passes, updates in zip(
            cell.parameters["seeds"],
            metrics[f"{name}.interpolation_passes"],
            metrics[f"{name}.interpolation_updates"],
            strict=True,
        ):
            runs.append({"batch_size": int(name), "seed": seed, "passes": passes, "updates": updates})
        accuracy = summarise_arm(metrics[f"{name}.final_test_accuracy"])
        rows.append(
            [
                name,
                cell.parameters["learning_rate"],
                material.published_text(f"{name}.final_test_accuracy"),
                _spread(accuracy.mean, accuracy.sd),
                _span(accuracy.mean_interval),
                material.published_text(f"{name}.interpolation_updates"),
                _spread_of_runs(metrics[f"{name}.interpolation_updates"]),
            ]
        )
    log["update"] = log["pass"] * (PUBLISHED_SUBSET_SIZE / log["batch_size"]).round().astype(int)
    curves = material.curves("batch_size", "batch_size").astype({"batch_size": int})
    interpolated = _published_interpolation(material)
    seeds = max(len(cell.parameters["seeds"]) for cell in cells.values())
    return [
        Table(
            f"Mean ± standard deviation over {seeds} seeds; the interval is the 95 % t interval of the mean. Training subset, "
            "initial weights and the order of the images vary with the seed.",
            [
                "Batch size",
                "Learning rate",
                "Published test accuracy",
                "Our test accuracy",
                "95 % interval",
                "Published updates to training accuracy 1",
                "Our updates",
            ],
            rows,
        ),
        draw(
            plot_batch_sizes(curves, log, against="update"),
            alt="Four panels: loss and accuracy on training and test images against the number of updates, a line for each "
            "batch size, median over seeds with a band over their middle half, published dashed.",
            caption="Against the number of updates. Ours: median of the seeds, band over their middle half; published: dashed. "
            + _describe_largest_loss(material),
        ),
        draw(
            plot_batch_sizes(curves, log, against="pass"),
            alt="The same four panels against passes over the data.",
            caption="Against passes over the data.",
        ),
        draw(
            interpolation_bars(pd.DataFrame(runs), interpolated),
            alt="Bars of the updates and of the passes until the training accuracy is exactly 1, for each batch size, ours "
            "beside the published ones.",
            caption="Updates and passes until the training accuracy is exactly 1. "
            + _describe_rounding(log, interpolated),
        ),
    ]


def _regularization(material: Material) -> list[Block]:
    cells = material.done("regularization")
    blocks: list[Block] = []
    if check := cells.get("gradient_check"):
        names = ("W1", "b1", "W2", "b2")
        blocks += [
            Heading("Gradient check"),
            Table(
                "Relative error of the written-out gradients against centred differences, over every parameter.",
                ["Parameter", "Published", "Ours"],
                [
                    [n, material.published_text(f"gradient_check.{n}"), check.metrics[f"gradient_check.{n}"]]
                    for n in names
                ],
            ),
            show_figure(check, "errors", "Too large a step truncates, too small a step rounds."),
        ]
    blocks += _trainings(material, ["overfit-20", "overfit-100"], "Overfitting a handful of images")
    blocks += _trainings(material, ["one_cycle", "three_cycles"], "Cyclical learning rates")
    searches = {name: _search_table(material, name) for name in ("coarse", "fine") if name in cells}
    if searches:
        blocks += [
            Heading("Search for λ"),
            draw(
                compare_searches(searches),
                alt="Validation accuracy against λ for the coarse and the fine search; ours as dots joined by lines, published "
                "as hollow rings.",
                caption="Validation accuracy against λ. A ring around a dot: the published and the reproduced value agree.",
            ),
        ]
        for name, table in searches.items():
            rows = table[["lambda", "published", "ours"]].itertuples(index=False)
            blocks.append(
                Table(
                    f"The {name} search: validation accuracy; best λ {cells[name].metrics[f'{name}.best_lambda']!r}.",
                    ["λ", "Published", "Ours"],
                    [list(row) for row in rows],
                )
            )
    blocks += _trainings(material, ["final"], "Final network")
    variants = [name for name in cells if name == "final" or name.startswith("variant-")]
    if len(variants) > 1:
        blocks += [
            Heading("Variants"),
            Table(
                "The final network beside two variants of it that the notebook prepares and never trains: one run each, so "
                "small differences mean nothing.",
                ["Cell", "λ", "Training accuracy", "Validation accuracy", "Test accuracy"],
                [
                    [name, *(cells[name].metrics[f"{name}.{metric}"] for metric in ("lambda", *_ACCURACIES))]
                    for name in variants
                ],
            ),
            Gallery([show_figure(cells[name], "curves", name) for name in variants if name != "final"]),
        ]
    return blocks


_ACCURACIES = ("training_accuracy", "validation_accuracy", "test_accuracy")


def _trainings(material: Material, names: Sequence[str], heading: str) -> list[Block]:
    """Return curves, learning rate and weights of those of the named runs that are complete."""
    cells = material.done("regularization")
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
    value = material.done("regularization")[name].metrics.get(f"{name}.{metric}")
    if value is None:
        return None
    published = material.published_text(f"{name}.{metric}")
    return f"{metric.replace('_', ' ')} {value:.4g}" + (f" (published {published})" if published else "")


def _search_table(material: Material, search: str) -> pd.DataFrame:
    """Return λ, our validation accuracy and the published one (NaN where there is none) for every run of a search."""
    cells = material.done("regularization")
    rows = []
    for path in cells[search].parameters["runs"]:
        name = Path(path).parent.name
        run = cells[name].metrics
        accuracy = f"{name}.validation_accuracy"
        rows.append((run[f"{name}.lambda"], float(material.published_text(accuracy) or "nan"), run[accuracy]))
    return pd.DataFrame(rows, columns=["lambda", "published", "ours"])


def _describe_largest_loss(material: Material) -> str:
    """Say where one run's test loss is far from the others'; an empty text where none is."""
    curves = material.curves("batch_size", "batch_size")
    last = curves[(curves["pass"] == curves["pass"].max()) & (curves["split"] == "test") & (curves["metric"] == "loss")]
    last = last.dropna(subset=["value"])
    median = last["value"].median()
    if last.empty or last["value"].max() < 10 * median:
        return ""
    largest = last.loc[last["value"] == last["value"].max()].iloc[0]
    return (
        f"At the end the test loss of seed {largest['seed']} at batch size {largest['batch_size']} is {largest['value']:.3g}, "
        f"the median over all runs {median:.3g}: a pixel that is 0 in a whole training subset is divided by little more than "
        "1e-6 in the few test images that use it; the cells' notebooks show the seeds concerned."
    )


def _published_interpolation(material: Material) -> pd.DataFrame:
    rows = []
    for entry in material.entries:
        size, _, metric = entry.id.partition(".")
        if entry.study == "batch_size" and metric == "interpolation_updates":
            updates, updates_per_pass = int(entry.published), round(PUBLISHED_SUBSET_SIZE / int(size))
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


def _spread_of_runs(values: Sequence[float | None]) -> str | None:
    """Return mean ± standard deviation of the runs that have a value, and how many these are where some have none."""
    arm = summarise_arm(values)
    spread = _spread(arm.mean, arm.sd)
    return f"{spread} ({arm.n} of {len(values)} runs)" if spread and arm.missing else spread


def _spread(mean: float | None, sd: float | None) -> str | None:
    """Return mean ± standard deviation: accuracies with four decimals, counts with none."""
    if mean is None:
        return None
    digits = 4 if mean < 1 else 0
    return f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else "")


def _span(interval: tuple[float, float] | None) -> str | None:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else None


_STUDIES: dict[str, tuple[str, str, Callable[[Material], list[Block]]]] = {
    "autodiff": (
        "Edge cases of automatic differentiation",
        "Is what autograd returns the derivative, where a function jumps, is written with branches, or is made by a loop?",
        _autodiff,
    ),
    "augmentation": (
        "Data augmentation on FashionMNIST",
        "Does augmentation of training images, test images or both change the test accuracy of a small convolutional network?",
        _augmentation,
    ),
    "batch_size": (
        "Batch size on FashionMNIST",
        "How do the batch size, and half of its divergent learning rate, change the way to zero training error?",
        _batch_size,
    ),
    "regularization": (
        "A two-layer network on CIFAR-10",
        "Which penalty λ gives the best validation accuracy, and what does the final network reach on test images?",
        _regularization,
    ),
}
