"""The known errors of the published notebooks, each with what our cells show of it.

Whether an error is confirmed is computed from the results, never taken for granted: other results give another answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradlab.engine.figures import BATCH_SIZE_SUBSET
from gradlab.engine.material import Material
from gradlab.lab.stats import describe_comparison, summarise_arm
from gradlab.report.conclusions import compare_settings
from gradlab.studies.regularization.search import find_metric
from gradlab.studies.regularization.twolayer import SIZES

VERDICTS = ("confirmed", "not confirmed", "undecided", "not run")

CLASSES = SIZES[2]
_BINARY = "variant-binary_cross_entropy"


@dataclass(frozen=True)
class Erratum:
    """One known error of a notebook.

    Attributes
    ----------
    number, study, source
        Its number in the list; the study; the notebook and section.
    title
        The error in a few words.
    claim
        What the notebook says or does.
    evidence
        What our cells show, with their figures.
    right
        What is right instead.
    verdict
        One of `VERDICTS`: whether the evidence bears the error out.
    cells
        The names of the cells that the evidence comes from.
    """

    number: int
    study: str
    source: str
    title: str
    claim: str
    evidence: str
    right: str
    verdict: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What the cells say about one error: their evidence in words, what is right, and whether it bears the error out.

    `confirmed` is None where the evidence points neither way, or one way for one part and another way for the rest.
    """

    evidence: str
    right: str
    confirmed: bool | None


def find_errata(material: Material) -> list[Erratum]:
    """Return all known errors of the studies that are planned, in the order of their numbers."""
    planned = {cell.study for cell in material.results.values()}
    return [_judge(number, error, material) for number, error in enumerate(_ERRORS, 1) if error.study in planned]


@dataclass(frozen=True)
class _Error:
    """A known error: what is published, the cells that can tell, and the function that asks them."""

    study: str
    source: str
    title: str
    claim: str
    cells: Sequence[str]
    examine: Callable[[Material], Finding | None]


_WORDS = {True: "confirmed", False: "not confirmed", None: "undecided"}


def _judge(number: int, error: _Error, material: Material) -> Erratum:
    found = error.examine(material)
    return Erratum(
        number=number,
        study=error.study,
        source=error.source,
        title=error.title,
        claim=error.claim,
        evidence=found.evidence
        if found
        else "The cells that would show it have not all run under the published settings.",
        right=found.right if found else "",
        verdict="not run" if found is None else _WORDS[found.confirmed],
        cells=material.names_done(error.study, error.cells),
    )


def _loss_for_accuracy(material: Material) -> Finding | None:
    log = material.log("augmentation")
    parts, confirmed = [], True
    for setting in ("test", "both"):
        entry = material.entry(f"{setting}.final_test_accuracy")
        ours = material.done("augmentation").get(setting)
        if ours is None or not material.as_published(entry.id, [ours]):
            return None
        run = log[(log["setting"] == setting) & (log["split"] == "test")]
        last = run[run["pass"] == run["pass"].max()].set_index("metric")["value"]
        confirmed &= round(float(entry.shown), 3) == last["loss"] != last["accuracy"]
        parts.append(
            f"{setting}: printed {entry.shown}; its own log ends with test loss {last['loss']:.3f} and test accuracy "
            f"{last['accuracy']:.3f}; our replay with {ours.metrics[f'{setting}.final_test_loss']:.4f} and "
            f"{ours.metrics[f'{setting}.final_test_accuracy']:.4f}"
        )
    right = "The test accuracies are those of the log: " + " and ".join(
        f"{material.published_text(f'{setting}.final_test_accuracy')} ({setting})" for setting in ("test", "both")
    )
    return Finding("; ".join(parts) + ".", right + ".", bool(confirmed))


def _one_transform_for_all(material: Material) -> Finding | None:
    accuracy = {setting: f"{setting}.final_test_accuracy" for setting in ("none", "train", "test", "both")}
    replay = {setting: material.find(f"augmentation/published/{setting}") for setting in accuracy}
    for setting, metric in accuracy.items():
        if not replay[setting] or not material.as_published(
            metric, [*replay[setting], *material.corrected("augmentation", metric)]
        ):
            return None
    comparisons = {setting: compare_settings(material, setting, "none") for setting in accuracy if setting != "none"}
    if any(comparison is None or comparison.direction is None for comparison in comparisons.values()):
        return None
    ends = ", ".join(f"{cells[0].metrics[accuracy[setting]]:.4f} ({setting})" for setting, cells in replay.items())
    words = "; ".join(describe_comparison(comparison, name, "none") for name, comparison in comparisons.items())
    found = {
        -1: "it lowers the accuracy: the claim survives the correction",
        1: "it raises the accuracy: the claim does not survive",
        0: "no difference is detected: these seeds neither bear the claim out nor refute it",
    }
    by_direction = {
        direction: [name for name, comparison in comparisons.items() if comparison.direction == direction]
        for direction in found
    }
    right = "; ".join(f"for {' and '.join(names)}, {found[way]}" for way, names in by_direction.items() if names)
    directions = {comparison.direction for comparison in comparisons.values()}
    return Finding(
        f"With one transform for all images of a pass, our replay ends at {ends}. With a transform for every image, {words}.",
        f"With a transform for every image: {right}.",
        {frozenset({1}): True, frozenset({-1}): False}.get(frozenset(directions)),
    )


def _discontinuous_step(material: Material) -> Finding | None:
    step, halving = (material.done("autodiff").get(case) for case in ("step", "halving"))
    if step is None or halving is None:
        return None
    jump, mismatches = step.metrics["step.jump_size"], halving.metrics["halving.closed_form_mismatches"]
    return Finding(
        f"φ jumps by {jump:g} at 0, by its one-sided limits. The loop that computes ψ, and the closed form below, "
        f"differ at {mismatches} of the float32 numbers on which they were compared, negative ones among them.",
        "φ is continuous everywhere but at 0, where it is right-continuous. ψ(x) = x·2^(−k(x)) with k(x) the least k ≥ "
        "0 for which |x|·2^(−k) < 1e-6.",
        jump != 0 and mismatches == 0,
    )


def _rounded_interpolation(material: Material) -> Finding | None:
    log = material.log("batch_size")
    train = log[(log["split"] == "train") & (log["metric"] == "accuracy")]
    published, ours, earlier = [], [], False
    for name, cell in material.done("batch_size").items():
        entry = material.entry(f"{name}.interpolation_updates")
        if entry is None or not material.as_published(entry.id, [cell]):
            continue
        passes = int(entry.published) // round(BATCH_SIZE_SUBSET / int(name))
        first = train[(train["batch_size"] == int(name)) & (train["value"] == 1)]["pass"].min()
        earlier |= bool(first < passes)
        published.append(f"B = {name}: {passes}, log 1.000 from {first} on")
        curves = cell.curves
        accuracy = curves[(curves["split"] == "train") & (curves["metric"] == "accuracy")]
        rounded = accuracy[accuracy["value"] >= 0.9995].groupby("seed")["pass"].min()
        exact = accuracy[accuracy["value"] == 1].groupby("seed")["pass"].min()
        ours += (exact - rounded).dropna().tolist()
    if not published:
        return None
    lead = summarise_arm(ours) if ours else None
    evidence = f"Published passes until training accuracy 1: {'; '.join(published)}."
    if lead:
        evidence += (
            f" In our runs an accuracy that prints as 1.000 comes {lead.mean:.1f} passes before the exact one on "
            f"average, at most {max(ours):.0f} ({lead.n} runs)."
        )
    right = "Interpolation is the pass after which every image is classified correctly: 0.9995 prints as 1.000 and is not 1."
    return Finding(evidence, right, earlier)


def _rates_by_eye(material: Material) -> Finding | None:
    parts, outside, spread = [], 0, 1.0
    for cell in material.find("batch_size/corrected/search-*"):
        name = cell.cell.removeprefix("search-")
        entry = material.entry(f"{name}.divergent_learning_rate")
        if entry is None or not material.as_published(entry.id, [cell]):
            continue
        stable, divergent = (
            cell.metrics[f"{name}.{metric}"] for metric in ("largest_stable_learning_rate", "divergent_learning_rate")
        )
        spread = max(spread, max(divergent) / min(divergent))
        outside += not min(stable) <= float(entry.published) <= max(divergent)
        parts.append(f"B = {name}: {min(stable):.3g} to {max(divergent):.3g} (published {entry.published})")
    if not parts:
        return None
    seeds = len(stable)
    return Finding(
        f"From the largest stable to the smallest divergent rate over {seeds} seeds, by one rule: {'; '.join(parts)}. "
        f"{outside} of {len(parts)} published rates lie outside.",
        "A rate diverges if within one pass the smoothed training loss becomes non-finite or ends no lower than that "
        "of the untrained network. By this rule the thresholds of the seeds differ by at most "
        f"{100 * (spread - 1):.0f} % at one batch size.",
        outside > 0,
    )


def _overfit_and_mean(material: Material) -> Finding | None:
    few, many = (material.find(f"regularization/{protocol}/overfit-*") for protocol in ("published", "corrected"))
    binary = material.find(f"regularization/corrected/{_BINARY}-*")
    if not few or not many or not binary or any(cell.status != "done" for cell in binary):
        return None
    if not material.as_published("overfit-20.training_accuracy", [*few, *many]):
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
    notebook = {split: means[split] * images[split] / CLASSES for split in images}
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


def _count_rows(rows: Sequence[int]) -> int:
    return rows[1] - rows[0]


def _hidden_row_order(material: Material) -> Finding | None:
    cell = material.done("regularization", "corrected").get("row_order")
    coarse = material.find("regularization/published/coarse-*")
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


_ERRORS = (
    _Error(
        "augmentation",
        "F 2.6",
        "A loss printed as an accuracy",
        "The final test accuracy is 0.8301 for test and 0.6932 for both.",
        ("published/test", "published/both"),
        _loss_for_accuracy,
    ),
    _Error(
        "augmentation",
        "F 2.2 to 2.5",
        "One transform for all images",
        "Augmentation lowers the test accuracy. (All images of a pass share one crop and one angle; the exercise asks "
        "for one for each image.)",
        ("published/*", "corrected/*"),
        _one_transform_for_all,
    ),
    _Error(
        "autodiff",
        "F 1.3, 1.4",
        "A step called continuous, and a wrong closed form",
        "φ, which is 1 for x ≥ 0 and 0 otherwise, is continuous. ψ, the halving loop, is 0 where the loop ends; "
        "negative x are left out.",
        ("published/step", "published/halving"),
        _discontinuous_step,
    ),
    _Error(
        "batch_size",
        "F 3.7",
        "Rounding read as interpolation",
        "The log shows training accuracy 1.000 before the pass that the notebook counts as the first with 100 %.",
        ("published/*",),
        _rounded_interpolation,
    ),
    _Error(
        "batch_size",
        "F 3.2 to 3.6",
        "Divergent learning rates by eye",
        "The learning rates at which training diverges are 0.01, 0.02, 0.05, 0.1 and 0.15, without a criterion.",
        ("corrected/search-*",),
        _rates_by_eye,
    ),
    _Error(
        "regularization",
        "C",
        "Too few images, and a mean over the wrong number",
        "The network overfits 100 images (it is trained on 20); the binary cross-entropy is divided by the number of classes.",
        ("published/overfit-*", "corrected/overfit-*", "corrected/variant-binary_cross_entropy-*"),
        _overfit_and_mean,
    ),
    _Error(
        "regularization",
        "C",
        "Results that depend on the order of the cells",
        "The validation accuracy of each λ, and the best λ, are results of that λ. (The training set is shuffled in "
        "place, and each run starts from the order that the runs before it left.)",
        ("corrected/row_order", "published/coarse-*"),
        _hidden_row_order,
    ),
)
