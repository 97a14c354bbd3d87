"""Data augmentation on FashionMNIST in the report."""

import pandas as pd

from gradlab.engine.material import Material
from gradlab.lab.arms import plot_arms
from gradlab.lab.stats import summarise_arm
from gradlab.report.blocks import Block, Heading, Table, Text, cite, draw, show_figure
from gradlab.report.comparisons import show_comparisons
from gradlab.report.text import print_interval, print_runs, print_spread
from gradlab.studies.augmentation.claims import compare_settings
from gradlab.studies.augmentation.plots import plot_seeds, plot_settings

_SETTINGS = ("none", "train", "test", "both")
# Against no augmentation, and against the same network without the vote.
_COMPARISONS = (("train", "none"), ("test", "none"), ("both", "none"), ("both", "train"))


def show(material: Material) -> list[Block]:
    """Return what the published and the corrected protocol give."""
    return _show_published(material) + _show_corrected(material)


def _show_published(material: Material) -> list[Block]:
    cells = material.done()
    if not cells:
        return []
    rows = []
    for name, cell in cells.items():
        entry = material.entry(f"{name}.final_test_accuracy")
        metrics = cell.metrics
        rows.append(
            [
                name,
                entry.published,
                entry.meant or entry.published,
                cite(metrics[f"{name}.final_test_accuracy"], cell),
                cite(metrics[f"{name}.test_accuracy_mean_last_five"], cell),
                cite(metrics[f"{name}.passes"], cell),
            ]
        )
    return [
        Heading("As published: one transform for all images of a pass"),
        Table(
            "Test accuracy at the end of each setting. Where the printed figure differs from the log, the notebook "
            "printed the test loss.",
            ["Setting", "Printed", "Published log", "Ours", "Ours, mean of the last five passes", "Passes"],
            rows,
        ),
        draw(
            plot_settings(material.curves("setting"), material.logs_of("setting", _SETTINGS)),
            "settings",
            alt="Four panels: loss and accuracy on training and test images over passes, for each setting, reproduced "
            "as full lines and published as dashed ones.",
            caption="Loss and accuracy over passes, ours (full) and published (dashed). Both start from the same "
            "random state; float32 rounding parts them slowly.",
        ),
        show_figure(
            next(iter(cells.values())),
            "samples",
            "Five training images, and the same five under one crop and one angle.",
        ),
    ]


def _show_corrected(material: Material) -> list[Block]:
    cells = material.done("corrected")
    if not cells:
        return []
    curves = pd.concat([cell.curves.assign(seed=cell.parameters["seed"]) for cell in cells.values()], ignore_index=True)
    trained = [name for name in _SETTINGS if name in set(curves["setting"])]
    accuracy = {name: _runs(material, name, "final_test_accuracy") for name in trained}
    published = {name: _published(material, name) for name in trained}
    rows = []
    for name in trained:
        arm = summarise_arm(list(accuracy[name].values()))
        runs = material.corrected(f"{name}.final_test_accuracy")
        rows.append(
            [
                name,
                arm.n,
                f"{_published(material, name):g}",
                cite(print_spread(arm), *runs),
                print_interval(arm.mean_interval) or arm.method,
                cite(print_runs(list(_runs(material, name, "test_accuracy_mean_last_five").values())), *runs),
                cite(print_runs(list(_runs(material, name, "passes").values())), *runs),
            ]
        )
    comparisons, compared = {}, {}
    for metric, when in (("final_test_accuracy", ""), ("test_accuracy_mean_last_five", ", mean of last five passes")):
        for first, second in _COMPARISONS:
            comparison = f"{first} − {second}{when}"
            comparisons[comparison] = compare_settings(material, first, second, metric)
            compared[comparison] = [cell for name in (first, second) for cell in material.corrected(f"{name}.{metric}")]
    blocks: list[Block] = [
        Heading("Corrected: a transform for every image, several seeds"),
        Text(
            "With the seed vary the training subset, the initial network, the order of the images and all transforms; "
            "all settings have the same seeds. None and test share a network under each seed, and so do train and "
            "both: only the vote over augmented copies of the test images tells them apart."
        ),
        Table(
            "Test accuracy after the last pass: mean ± standard deviation over the seeds; the interval is the 95 % t "
            "interval of the mean.",
            [
                "Setting",
                "Seeds",
                "Published log",
                "Corrected",
                "95 % interval",
                "Mean of the last five passes",
                "Passes",
            ],
            rows,
        ),
        draw(
            plot_arms(
                pd.DataFrame(
                    [(name, seed, value) for name, runs in accuracy.items() for seed, value in runs.items()],
                    columns=["arm", "seed", "value"],
                ),
                published=published,
                label="test accuracy after the last pass",
            ),
            "arms",
            alt="Test accuracy of every corrected run as a dot, for each setting, with the mean, its 95 % interval, "
            "and the published accuracy as a hollow diamond.",
            caption="Every run, the mean of the setting and its 95 % interval; published: hollow diamond.",
        ),
    ]
    return [
        *blocks,
        *show_comparisons(comparisons, compared, quantity="test accuracy"),
        draw(
            plot_seeds(curves),
            "seeds",
            alt="Four panels: loss and accuracy on training and test images over passes, thin lines for single seeds "
            "and a thick one for the median of each setting.",
            caption="Loss and accuracy over passes, every seed and their median for each setting.",
        ),
        show_figure(
            next(iter(cells.values())),
            "samples",
            "Five training images, and the same five, each under a transform of its own.",
        ),
    ]


def _runs(material: Material, setting: str, metric: str) -> dict[int | None, float | None]:
    return material.runs(f"{setting}.{metric}")


def _published(material: Material, setting: str) -> float:
    """Return the published accuracy, where it is misprinted as its log has it."""
    entry = material.entry(f"{setting}.final_test_accuracy")
    return float(entry.meant or entry.published)
