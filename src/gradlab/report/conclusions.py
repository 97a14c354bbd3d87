"""What the results of a study say, in a few sentences that are made from them and change with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gradlab.engine.ledger import Entry
from gradlab.engine.material import Material, compare_runs
from gradlab.engine.runs import collect_runs
from gradlab.lab.stats import PairedComparison, describe_comparison, summarise_arm


@dataclass(frozen=True)
class Conclusion:
    """What the results say, in a sentence or two, and the names of the complete cells that say it."""

    text: str
    cells: tuple[str, ...]


def conclude(study: str, material: Material) -> list[Conclusion]:
    """Return the conclusions of a study; fewer where cells have not run."""
    found = [(find(material), patterns) for find, patterns in _CONCLUSIONS[study].items()]
    return [
        Conclusion(text[0].upper() + text[1:], material.names_done(study, patterns)) for text, patterns in found if text
    ]


# Automatic differentiation ------------------------------------------------------------------------


def _writing_matters(material: Material) -> str | None:
    pairs = {
        "jump": ("jump.two_branches", "jump.three_branches"),
        "power": ("power.plain", "power.branch"),
    }
    parts, depends = [], False
    for case, metrics in pairs.items():
        one, other = (material.metric(f"autodiff/published/{case}", metric) for metric in metrics)
        if one is not None and other is not None:
            depends |= one != other
            parts.append(f"{one:g} and {other:g} for {case}")
    if not parts:
        return None
    if depends:
        return (
            f"What autograd returns depends on how a function is written: two ways of writing the same values give "
            f"{', '.join(parts)}. It differentiates the operations that ran, not the function."
        )
    return f"Two ways of writing the same function give the same value ({', '.join(parts)})."


def _torch_functions(material: Material) -> str | None:
    cell = material.done("autodiff", "corrected").get("torch_functions")
    if cell is None:
        return None
    count = {name.removeprefix("torch_functions."): value for name, value in cell.metrics.items()}
    return (
        f"Of {count['points']} points at which {count['functions']} of torch's own functions are not smooth, or look it, "
        f"{count['not_differentiable']} have no derivative, which autograd does not tell: it returns NaN at "
        f"{count['autograd_is_nan']} points, an infinity at {count['autograd_is_infinite']} and a finite number at all others. "
        f"At {count['autograd_misses_derivative']} points it misses a derivative that exists."
    )


def _step_does_not_train(material: Material) -> str | None:
    cell = material.done("autodiff").get("step")
    if cell is None:
        return None
    moved, smooth = (cell.metrics[f"step.{loss}_descent_distance"] for loss in ("accuracy", "logistic"))
    start, end = (cell.metrics[f"step.{loss}_descent_accuracy"] for loss in ("accuracy", "logistic"))
    if moved == 0 and smooth > 0:
        return (
            f"Gradient descent on the accuracy itself moves no parameter (accuracy stays at {start:.2f}); on the "
            f"logistic loss, from the same start, it reaches {end:.2f}."
        )
    return (
        f"Gradient descent on the accuracy moves the parameters by {moved:.3g}, on the logistic loss by {smooth:.3g}."
    )


# Augmentation -------------------------------------------------------------------------------------


def compare_settings(
    material: Material, first: str, second: str, metric: str = "final_test_accuracy"
) -> PairedComparison | None:
    """Compare two augmentation settings over the seeds of the corrected protocol."""
    return compare_runs(*(material.runs("augmentation", f"{name}.{metric}") for name in (first, second)))


def _training_augmentation(material: Material) -> str | None:
    comparison = compare_settings(material, "train", "none")
    if comparison is None or comparison.mean is None:
        return None
    words = f"with a transform for every image, {describe_comparison(comparison, 'train', 'none')}"
    last_five = compare_settings(material, "train", "none", "test_accuracy_mean_last_five")
    if last_five.mean is not None:
        words += f"; in the mean of the last five passes, {describe_comparison(last_five, 'train', 'none')}"
    runs = [
        cell for name in ("none", "train") for cell in material.corrected("augmentation", f"{name}.final_test_accuracy")
    ]
    if not material.as_published("train.final_test_accuracy", (cell for cell in runs if cell.status == "done")):
        return f"{words}; under these settings that says nothing about the published conclusion."
    published = {name: material.published_text(f"{name}.final_test_accuracy") for name in ("none", "train")}
    survives = {
        -1: "survives the correction",
        1: "does not survive the correction",
        0: "is neither borne out nor refuted",
        None: "cannot be judged by so few runs",
    }[comparison.direction]
    return (
        f"The published conclusion that augmenting the training images lowers the test accuracy ({published['none']} "
        f"without, {published['train']} with) {survives}: {words}."
    )


def _test_augmentation(material: Material) -> str | None:
    parts = []
    for first, second, trained in (("test", "none", "images as they are"), ("both", "train", "augmented images")):
        comparison = compare_settings(material, first, second)
        if comparison is not None and comparison.mean is not None:
            parts.append(f"for networks trained on {trained}, {describe_comparison(comparison, first, second)}")
    return (
        f"A vote over augmented copies of the test images, by the same networks: {'; '.join(parts)}." if parts else None
    )


def _swings(material: Material) -> str | None:
    """Compare how much the test accuracy moves over the last passes when transforms are shared and when they are not."""
    shared = material.done("augmentation").get("train")
    last = [
        abs(final - mean)
        for final, mean in zip(
            *(
                material.runs("augmentation", f"train.{metric}").values()
                for metric in ("final_test_accuracy", "test_accuracy_mean_last_five")
            ),
            strict=True,
        )
        if final is not None and mean is not None
    ]
    if shared is None or not last:
        return None
    final, mean = (shared.metrics[f"train.{name}"] for name in ("final_test_accuracy", "test_accuracy_mean_last_five"))
    return (
        f"With one transform for all images the last pass of train is {abs(final - mean):.4f} away from the mean of "
        f"its last five; with a transform for every image, at most {max(last):.4f} ({len(last)} runs)."
    )


# Batch size ---------------------------------------------------------------------------------------


def _divergent_rates(material: Material) -> str | None:
    entries = [entry for entry in material.entries if entry.id.endswith(".divergent_learning_rate")]
    ratios = {
        entry.cells[0].rpartition("-")[2]: entry.corrected_mean / float(entry.published)
        for entry in entries
        if entry.corrected_mean is not None and entry.verdict != "not run"
    }
    if not ratios:
        return None
    inside = [entry for entry in entries if entry.verdict == "inside interval"]
    return (
        f"By a rule, training diverges at {min(ratios.values()):.2f} to {max(ratios.values()):.2f} times the published "
        f"rates; {len(inside)} of {len(ratios)} published rates lie inside the prediction interval of our seeds."
    )


def _batch_sizes(material: Material) -> list[str]:
    """Return the batch sizes whose corrected cells are done, smallest first."""
    return sorted((name for name in material.done("batch_size", "corrected") if name.isdigit()), key=int)


def _interpolation(material: Material) -> str | None:
    sizes = _batch_sizes(material)
    if len(sizes) < 2:
        return None
    half = "each at half of its own divergent rate"
    arms = {
        size: summarise_arm(list(material.runs("batch_size", f"{size}.interpolation_passes").values()))
        for size in sizes
    }
    if any(arm.missing for arm in arms.values()):
        reached = [
            f"batch size {size} under {arm.n} of {arm.n + arm.missing} seeds"
            + (f" (after {arm.mean:.0f} passes on average)" if arm.n else "")
            for size, arm in arms.items()
        ]
        passes = material.done("batch_size", "corrected")[sizes[0]].parameters["passes"]
        return f"Within {passes} passes, {half}, every training image is classified correctly at {', '.join(reached)}."
    smallest, largest = sizes[0], sizes[-1]
    parts = []
    for unit in ("updates", "passes"):
        runs = [material.runs("batch_size", f"{size}.interpolation_{unit}") for size in (smallest, largest)]
        comparison = compare_runs(*runs)
        word = {1: "more", -1: "fewer", 0: "no detectably different number of", None: "on average"}[
            comparison.direction
        ]
        means = " against ".join(f"{summarise_arm(list(arm.values())).mean:.0f}" for arm in runs)
        why = "" if comparison.direction is not None else f", {comparison.method}"
        parts.append(f"{word} {unit} ({means}, {comparison.n} pairs{why})")
    return (
        f"To classify every training image correctly, batch size {smallest} takes {' and '.join(parts)} than batch size "
        f"{largest}, {half}."
    )


def compare_rates(material: Material) -> dict[str, PairedComparison]:
    """Compare, for each batch size, the test accuracy at half of the rate found with that at half of the published rate."""
    published, comparisons = material.done("batch_size"), {}
    for size in _batch_sizes(material):
        metric = f"{size}.final_test_accuracy"
        if size in published:
            comparison = compare_runs(material.runs("batch_size", metric), collect_runs([published[size]], metric))
            if comparison is not None:
                comparisons[size] = comparison
    return comparisons


def _batch_size_accuracy(material: Material) -> str | None:
    comparisons = compare_rates(material)
    found = {
        1: "higher",
        -1: "lower",
        0: "no different that these seeds could tell",
        None: "not to be judged by so few runs",
    }
    parts = []
    for direction, words in found.items():
        sizes = [size for size, comparison in comparisons.items() if comparison.direction == direction]
        if sizes:
            n = min(comparisons[size].n for size in sizes)
            parts.append(f"{words} at batch size {', '.join(sizes)} (n = {n})")
    if not parts:
        return None
    return (
        "Under the same seeds, the test accuracy after the last pass at half of the rate found, against that at half of the "
        f"published one, is {'; '.join(parts)}."
    )


# Two-layer network --------------------------------------------------------------------------------


def _replayed(material: Material) -> str | None:
    exact = [entry for entry in material.entries if entry.study == "regularization" and entry.rule == "exact"]
    run = [entry for entry in exact if entry.verdict != "not run"]
    if not run:
        return None
    same = sum(entry.verdict == "exact" for entry in run)
    text = f"{same} of {len(run)} figures that were compared digit by digit are the same to the last digit"
    order = material.done("regularization", "corrected").get("row_order")
    if order is None:
        return f"{text}."
    moved, largest = (
        order.metrics[f"row_order.{name}"] for name in ("chosen_lambda_moves", "largest_absolute_difference")
    )
    best = [order.metrics[f"row_order.best_lambda_{which}_order"] for which in ("notebook", "data")]
    choice = f"moves the best λ from {best[0]:.3g} to {best[1]:.3g}" if moved else f"leaves the best λ at {best[0]:.3g}"
    return (
        f"{text}, but only from the order of rows that earlier cells left: starting from the data's own order changes "
        f"validation accuracies by up to {largest:.4f} and {choice}."
    )


def _final_network(material: Material) -> str | None:
    entry: Entry | None = material.entry("final.test_accuracy")
    runs = material.runs("regularization", "final.test_accuracy")
    arm = summarise_arm(list(runs.values())) if runs else None
    if entry is None or arm is None or arm.mean is None:
        return None
    choice = material.done("regularization", "corrected").get("fine")
    best = ""
    if choice:
        found = {name.removeprefix("fine."): value for name, value in choice.metrics.items()}
        best = (
            f"with λ = {found['best_lambda']:.3g}, chosen on validation images over several seeds, which do not tell it from "
            f"{len(found['not_told_apart'])} of the other {len(found['lambdas']) - 1}, "
        )
    mean = f"{best}the final network reaches a test accuracy of {arm.mean:.4f} (mean of {arm.n} seeds"
    if arm.prediction_interval is None:
        return f"{mean}; {arm.method}); published is {entry.published}."
    if not material.as_published(entry.id, material.corrected("regularization", entry.id)):
        return f"{mean}, 95 % interval [{arm.mean_interval[0]:.4f}, {arm.mean_interval[1]:.4f}])."
    low, high = arm.prediction_interval
    inside = "lies inside" if low <= float(entry.published) <= high else "lies outside"
    return (
        f"{mean}, 95 % interval [{arm.mean_interval[0]:.4f}, {arm.mean_interval[1]:.4f}]); the published "
        f"{entry.published} {inside} the interval for one more run, [{low:.4f}, {high:.4f}]."
    )


VARIANTS: Mapping[str, str] = {"variant-flips": "flips", "variant-binary_cross_entropy": "binary cross-entropies"}


def compare_variant(material: Material, variant: str) -> PairedComparison | None:
    """Compare the test accuracy of a variant with that of the final network over their seeds."""
    return compare_runs(*(material.runs("regularization", f"{cell}.test_accuracy") for cell in (variant, "final")))


def _variants(material: Material) -> str | None:
    parts = []
    for variant, words in VARIANTS.items():
        comparison = compare_variant(material, variant)
        if comparison is not None and comparison.mean is not None:
            parts.append(
                f"with {words}, {describe_comparison(comparison, 'test accuracy', 'that of the final network')}"
            )
    return f"{'; '.join(parts)}." if parts else None


# What is asked of the material of each study, with the cells (as patterns) that the answer comes from.
_CONCLUSIONS: Mapping[str, Mapping[Callable[[Material], str | None], tuple[str, ...]]] = {
    "autodiff": {
        _writing_matters: ("published/jump", "published/power"),
        _torch_functions: ("corrected/torch_functions",),
        _step_does_not_train: ("published/step",),
    },
    "augmentation": {
        _training_augmentation: ("corrected/*",),
        _test_augmentation: ("corrected/*",),
        _swings: ("published/train", "corrected/augmented-*"),
    },
    "batch_size": {
        _divergent_rates: ("corrected/search-*",),
        _interpolation: ("corrected/[0-9]*",),
        _batch_size_accuracy: ("corrected/[0-9]*", "published/*"),
    },
    "regularization": {
        _replayed: ("published/*", "corrected/row_order"),
        _final_network: ("corrected/fine", "corrected/final-*"),
        _variants: ("corrected/final-*", "corrected/variant-*"),
    },
}
