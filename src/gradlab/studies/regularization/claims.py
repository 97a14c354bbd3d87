"""What the results of the two-layer network say, and what they show of the notebook's errors (C)."""

from collections.abc import Mapping, Sequence

from gradlab.engine.claims import Error, Finding
from gradlab.engine.ledger import Entry
from gradlab.engine.material import Material, compare_runs, ran_with
from gradlab.lab.stats import PairedComparison, describe_comparison, summarise_arm
from gradlab.studies.regularization.search import find_metric
from gradlab.studies.regularization.twolayer import SIZES

# How the notebook trained on a handful of images.
_OVERFIT = {"lmbda": 0.0, "batch_size": 10, "epochs": 200, "eta_min": 0.001, "eta_max": 0.001}


def _replayed(material: Material) -> str | None:
    exact = [entry for entry in material.entries if entry.rule == "exact"]
    run = [entry for entry in exact if entry.verdict != "not run"]
    if not run:
        return None
    same = sum(entry.verdict == "exact" for entry in run)
    text = f"{same} of {len(run)} figures that were compared digit by digit are the same to the last digit"
    order = material.done("corrected").get("row_order")
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
    runs = material.runs("final.test_accuracy")
    arm = summarise_arm(list(runs.values())) if runs else None
    if entry is None or arm is None or arm.mean is None:
        return None
    choice = material.done("corrected").get("fine")
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
    if not material.as_published(entry.id, material.corrected(entry.id)):
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
    return compare_runs(*(material.runs(f"{cell}.test_accuracy") for cell in (variant, "final")))


def _variants(material: Material) -> str | None:
    parts = []
    for variant, words in VARIANTS.items():
        comparison = compare_variant(material, variant)
        if comparison is not None and comparison.mean is not None:
            parts.append(
                f"with {words}, {describe_comparison(comparison, 'test accuracy', 'that of the final network')}"
            )
    return f"{'; '.join(parts)}." if parts else None


def _overfit_and_mean(material: Material) -> Finding | None:
    few, many = (material.find(f"{protocol}/overfit-*") for protocol in ("published", "corrected"))
    binary = material.find("corrected/variant-binary_cross_entropy-*")
    if not few or not many or not binary or any(cell.status != "done" for cell in binary):
        return None
    if not ran_with([*few, *many], _OVERFIT):
        return None
    reached = summarise_arm([find_metric(cell.metrics, "training_accuracy") for cell in many])
    alone = find_metric(few[0].metrics, "training_accuracy")
    images = {split: _count_rows(binary[0].parameters[f"{split}_rows"]) for split in ("train", "validation")}
    means = {
        split: summarise_arm([find_metric(cell.metrics, f"{name}_loss") for cell in binary]).mean
        for split, name in (("train", "training"), ("validation", "validation"))
    }
    if None in means.values() or reached.mean is None:
        return None
    notebook = {split: means[split] * images[split] / SIZES[2] for split in images}
    return Finding(
        f"On {_count_rows(few[0].parameters['train_rows'])} images the training accuracy ends at {alone:g}; on "
        f"{_count_rows(many[0].parameters['train_rows'])}, after as many epochs, at {reached.mean:.3f} (mean of "
        f"{reached.n} seeds). The mean binary cross-entropy of our variant is {means['train']:.3f} on training and "
        f"{means['validation']:.3f} on validation images; divided by the number of classes instead, the same networks "
        f"would show {notebook['train']:.0f} and {notebook['validation']:.0f}, because there are "
        f"{images['train'] / images['validation']:g} times as many training images.",
        "The check is meant for the 100 images that the code prepares. A mean over images divides by their number, so "
        "that the loss of a set, and the step of gradient descent, do not depend on its size.",
        alone == 1 and notebook["train"] > 10 * notebook["validation"],
    )


def _hidden_row_order(material: Material) -> Finding | None:
    cell = material.done("corrected").get("row_order")
    coarse = material.find("published/coarse-*")
    if cell is None or not material.as_published("coarse-0.validation_accuracy", [cell, *coarse]):
        return None
    found = {name.removeprefix("row_order."): value for name, value in cell.metrics.items()}
    moved = sum(difference != 0 for difference in found["differences"])
    best = (found["best_lambda_notebook_order"], found["best_lambda_data_order"])
    choice = (
        f"the best λ moves from {best[0]:.4g} to {best[1]:.4g}"
        if found["chosen_lambda_moves"]
        else f"the best λ stays at {best[0]:.4g}"
    )
    return Finding(
        f"With the same λ and the same seed, started from the data's own order of rows instead of the one that earlier "
        f"cells left, {moved} of {len(found['differences'])} validation accuracies change, by up to "
        f"{found['largest_absolute_difference']:.4f}, and {choice}.",
        "A run's starting point belongs to its parameters. Here every cell rebuilds the order that it starts from, and "
        "λ is chosen by the mean over several seeds.",
        moved > 0,
    )


def _count_rows(rows: Sequence[int]) -> int:
    return rows[1] - rows[0]


# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _replayed: ("published/*", "corrected/row_order"),
    _final_network: ("corrected/fine", "corrected/final-*"),
    _variants: ("corrected/final-*", "corrected/variant-*"),
}

ERRATA = (
    Error(
        6,
        "C",
        "Too few images, and a mean over the wrong number",
        "The network overfits 100 images (it is trained on 20); the binary cross-entropy is divided by the number of classes.",
        ("published/overfit-*", "corrected/overfit-*", "corrected/variant-binary_cross_entropy-*"),
        _overfit_and_mean,
    ),
    Error(
        7,
        "C",
        "Results that depend on the order of the cells",
        "The validation accuracy of each λ, and the best λ, are results of that λ. (The training set is shuffled in "
        "place, and each run starts from the order that the runs before it left.)",
        ("corrected/row_order", "published/coarse-*"),
        _hidden_row_order,
    ),
)
