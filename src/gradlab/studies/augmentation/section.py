"""Data augmentation on FashionMNIST in the report."""

import pandas as pd

from gradlab.engine.material import Material
from gradlab.engine.results import CellResult
from gradlab.lab.residuals import pair_residuals, plot_residuals
from gradlab.lab.stats import summarise_arm
from gradlab.report.blocks import Block, Heading, Table, Text, cite, draw, show_figure
from gradlab.report.comparisons import show_comparisons
from gradlab.report.text import print_interval, print_runs, print_spread
from gradlab.studies.augmentation.claims import ARMS, AVERAGED, augmentation_helps, logs_followed
from gradlab.studies.augmentation.late import measure_swing, name_late_passes
from gradlab.studies.augmentation.section_plots import SETTINGS, plot_averaging, plot_seeds, plot_settings

_HALF = 0.5  # of a published run: the passes whose weights the corrected runs average


def show(material: Material) -> list[Block]:
    """Return what the published and the corrected protocol give."""
    return _show_published(material) + _show_corrected(material)


def _show_published(material: Material) -> list[Block]:
    cells = material.done()
    if not cells:
        return []
    log = material.logs_of("setting", SETTINGS)
    rows, residuals = [], {}
    for name, cell in cells.items():
        printed = material.published_text(f"{name}.final_test_accuracy")
        published = log[log["setting"] == name]
        rows.append(
            [
                name,
                printed,
                _find_meant(material, name),
                cite(cell.metrics[f"{name}.final_test_accuracy"], cell),
                _print_swing(measure_swing(published, _HALF)),
                cite(_print_swing(measure_swing(cell.curves, _HALF)), cell),
                cite(cell.metrics[f"{name}.passes"], cell),
            ]
        )
        residuals[name] = pair_residuals(cell.curves, published)
    return [
        Heading("As published: one transform for all images of a pass"),
        Table(
            "Test accuracy at the end of each setting, and its standard deviation from pass to pass over the second half of "
            "the run. Where the printed figure differs from the log, the notebook printed the test loss.",
            ["Setting", "Printed", "Log ends at", "Ours", "SD of the log", "SD of ours", "Passes"],
            rows,
        ),
        draw(
            plot_settings(material.curves("setting"), log),
            "settings",
            alt="Training and test accuracy over passes, a column of panels for each setting: ours as a thin line over "
            "the published one, which is broad.",
            finding=logs_followed(material) or "",
            cells=[cell.name for cell in cells.values()],
            caption="Accuracy over passes, ours over the published. Both start from the same random state; float32 rounding "
            "parts them slowly, and they still rise and dip at the same passes.",
        ),
        draw(
            plot_residuals(residuals),
            "residuals",
            alt="What a running median over 11 passes leaves of the training accuracy, ours against the published, a panel "
            "for each setting and a dot for each pass.",
            cells=[cell.name for cell in cells.values()],
            caption="What a running median over 11 passes leaves of the training accuracy, pass by pass: logs that follow one "
            "another lie along the diagonal.",
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
    averaged_passes = name_late_passes(next(iter(cells.values())).parameters["average_from"])
    trained = [name for name in SETTINGS if name in set(curves["setting"])]
    runs = {
        (name, metric): material.runs(f"{name}.{metric}")
        for name in trained
        for metric in ("final_test_accuracy", "averaged_test_accuracy", "passes")
    }
    rows = []
    for name in trained:
        measured = material.corrected(f"{name}.passes")
        last, averaged = (
            summarise_arm(list(runs[name, metric].values()))
            for metric in ("final_test_accuracy", "averaged_test_accuracy")
        )
        swings = [
            measure_swing(cell.curves[cell.curves["setting"] == name], cell.parameters["average_from"])
            for cell in measured
            if cell.status == "done"
        ]
        rows.append(
            [
                name,
                averaged.n,
                f"{float(_find_meant(material, name)):g}",
                cite(print_spread(last), *measured),
                cite(print_spread(averaged), *measured),
                print_interval(averaged.mean_interval) or averaged.method,
                cite(print_runs(swings), *measured),
                cite(print_runs(list(runs[name, "passes"].values())), *measured),
            ]
        )
    accuracies = pd.DataFrame(
        [
            (name, seed, value, runs[name, "averaged_test_accuracy"].get(seed))
            for name in trained
            for seed, value in runs[name, "final_test_accuracy"].items()
        ],
        columns=["setting", "seed", "last", "averaged"],
    )
    return [
        Heading("Corrected: a transform for every image, several seeds"),
        Text(
            "With the seed vary the training subset, the initial network, the order of the images and all transforms; "
            "all settings have the same seeds. None and test share a network under each seed, and so do train and "
            "both: only the vote over augmented copies of the test images tells them apart. The last pass is one of many "
            f"between which the accuracy swings; so the weights are averaged over {averaged_passes} of each run, as was "
            "decided before there was a result."
        ),
        Table(
            "Test accuracy after the last pass and with averaged weights: mean ± standard deviation over the seeds; the "
            "interval is the 95 % t interval of the mean with averaged weights. SD: the standard deviation from pass to pass "
            "over the averaged passes.",
            ["Setting", "Seeds", "Published", "Last pass", "Averaged", "95 % interval", "SD", "Passes"],
            rows,
        ),
        draw(
            plot_averaging(accuracies, {name: float(_find_meant(material, name)) for name in trained}),
            "averaging",
            alt="Test accuracy of every corrected run as a dot, after the last pass and with averaged weights, with a line "
            "between the two settings of a seed, their means, and the published accuracies as hollow diamonds.",
            finding=augmentation_helps(material) or "",
            cells=[cell.name for cell in cells.values()],
            caption="Test accuracy of every run, after the last pass and with averaged weights; lines join runs of the same "
            "seed. Published: hollow diamond.",
        ),
        *show_comparisons(
            {name: material.comparison(name) for name in ARMS},
            {name: _find_cells(material, *arms) for name, arms in ARMS.items()},
            quantity="test accuracy",
        ),
        draw(
            plot_seeds(curves, material.curves("setting") if material.done() else curves.iloc[:0]),
            "seeds",
            alt="Training and test accuracy over passes, a column of panels for each training and a thin line for each seed; "
            "votes as triangles, and dashed the replay of train, in which all images of a pass share a transform.",
            cells=[cell.name for cell in cells.values()],
            caption="Accuracy over passes, every seed. Dashed: our replay of train, in which all images of a pass share a "
            "transform.",
        ),
        show_figure(
            next(iter(cells.values())),
            "samples",
            "Five training images, and the same five, each under a transform of its own.",
        ),
    ]


def _find_cells(material: Material, first: str, second: str, when: str) -> list[CellResult]:
    metric = "averaged_test_accuracy" if when == AVERAGED else "final_test_accuracy"
    return [cell for name in (first, second) for cell in material.corrected(f"{name}.{metric}")]


def _find_meant(material: Material, setting: str) -> str:
    """Return the published accuracy, where it is misprinted as its log has it."""
    entry = material.entry(f"{setting}.final_test_accuracy")
    assert entry is not None  # every setting has one
    return entry.meant or entry.published


def _print_swing(swing: float | None) -> str | None:
    return None if swing is None else f"{swing:.4f}"
