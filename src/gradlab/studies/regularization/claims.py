"""What the results of the two-layer network say, and what they show of the notebook's errors (C)."""

from collections.abc import Callable, Mapping, Sequence

from gradlab.engine.claims import Error, Finding
from gradlab.engine.ledger import Entry
from gradlab.engine.material import Material, compare_runs, ran_with
from gradlab.engine.results import CellResult
from gradlab.lab.stats import PairedComparison, describe_comparison, sampling_margin, summarise_arm
from gradlab.studies.regularization.search import find_metric

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
    best = f"with {describe_choice(choice)}, " if choice else ""
    mean = f"{best}the final network reaches a test accuracy of {arm.mean:.4f} (mean of {arm.n} seeds"
    if arm.prediction_interval is None or arm.mean_interval is None:
        return f"{mean}; {arm.method}); published is {entry.published}. {describe_sampling(arm.mean)}"
    if not material.as_published(entry.id, material.corrected(entry.id)):
        return (
            f"{mean}, 95 % interval [{arm.mean_interval[0]:.4f}, {arm.mean_interval[1]:.4f}]). "
            f"{describe_sampling(arm.mean)}"
        )
    low, high = arm.prediction_interval
    inside = "lies inside" if low <= float(entry.published) <= high else "lies outside"
    return (
        f"{mean}, 95 % interval [{arm.mean_interval[0]:.4f}, {arm.mean_interval[1]:.4f}]); the published "
        f"{entry.published} {inside} the interval for one more run, [{low:.4f}, {high:.4f}]. {describe_sampling(arm.mean)}"
    )


def describe_choice(choice: CellResult) -> str:
    """Say which λ was chosen, how many others it cannot be told from, and on which images."""
    found = {name.partition(".")[2]: value for name, value in choice.metrics.items()}
    others, seeds = len(found["lambdas"]) - 1, len(choice.parameters["seeds"])
    if found["pooled_sd"] is None:
        sure = "one seed, which tells it from none of the others"
    else:
        sure = (
            f"{seeds} seeds, which do not tell it from {len(found['not_told_apart'])} of the other {others} (Dunnett's test "
            "against the best, 5 % for all together)"
        )
    return f"λ = {found['best_lambda']:.3g}, chosen on validation images by {sure}"


def describe_sampling(accuracy: float) -> str:
    """Say how far an accuracy on the test images would move with other images."""
    return (
        f"Intervals are about these {TEST_IMAGES:,} test images: other ones would move an accuracy by "
        f"±{sampling_margin(accuracy, TEST_IMAGES):.4f}."
    )


TEST_IMAGES = 10_000
VARIANTS: Mapping[str, str] = {"variant-flips": "flips", "variant-binary_cross_entropy": "binary cross-entropies"}
# The names of the comparisons with the final network.
AGAINST_FINAL: Mapping[str, str] = {cell: f"{words} − final, test accuracy" for cell, words in VARIANTS.items()}

IN_PUBLISHED_STREAM = "final_in_published_stream"
AT_PUBLISHED_LAMBDA = "final_at_published_lambda"
# What completing the last cycle does, by the cells whose runs go on so far: the names of the comparisons, and whose λ that is.
COMPLETE: Mapping[str, str] = {
    AT_PUBLISHED_LAMBDA: "complete last cycle − cut off, published λ, test accuracy",
    "final": "complete last cycle − cut off, λ of the seeds, test accuracy",
}
_LAMBDAS = {AT_PUBLISHED_LAMBDA: "the published λ", "final": "the λ chosen over seeds"}


def _compare(first: str, second: str) -> Callable[[Material], PairedComparison | None]:
    """Return a function that compares two metrics over the seeds."""

    def compare(material: Material) -> PairedComparison | None:
        return compare_runs(material.runs(first), material.runs(second))

    return compare


def digit_by_digit(material: Material) -> str | None:
    run = [entry for entry in material.entries if entry.rule == "exact" and entry.verdict != "not run"]
    accuracy = material.entry("final.test_accuracy")
    if not run or accuracy is None:
        return None
    same = sum(entry.verdict == "exact" for entry in run)
    included = f", the test accuracy {accuracy.published} included" if accuracy.verdict == "exact" else ""
    return f"{same} of {len(run)} results of the two-layer network are the same to the last digit{included}."


def final_over_seeds(material: Material) -> str | None:
    """Say how the published test accuracy stands beside those of the seeds."""
    entry, arm = (
        material.entry("final.test_accuracy"),
        summarise_arm(list(material.runs("final.test_accuracy").values())),
    )
    if entry is None or arm.mean is None:
        return None
    interval = "" if arm.mean_interval is None else " [{:.4f}, {:.4f}]".format(*arm.mean_interval)
    return (
        f"Over {arm.n} seeds the final network reaches a test accuracy of {arm.mean:.4f}{interval}; published is "
        f"{entry.published}."
    )


def _loose_choice(material: Material) -> str | None:
    choice = material.done("corrected").get("fine")
    if choice is None or choice.metrics["fine.pooled_sd"] is None:
        return None
    alike, others = len(choice.metrics["fine.not_told_apart"]), len(choice.metrics["fine.lambdas"]) - 1
    return (
        f"The best penalty, λ = {choice.metrics['fine.best_lambda']:.2g}, is not told apart from {alike} of {others} others "
        f"({len(choice.parameters['seeds'])} seeds, Dunnett's test)."
    )


def _complete_cycle(material: Material) -> str | None:
    parts = []
    for cell, name in COMPLETE.items():
        comparison = material.comparison(name)
        if comparison is not None and comparison.mean is not None:
            difference = describe_comparison(comparison, "test accuracy", "that where the final network is cut off")
            parts.append(f"with {_LAMBDAS[cell]}, {difference}")
    return f"at the end of its last cycle of the learning rate, {'; '.join(parts)}." if parts else None


def _variants(material: Material) -> str | None:
    parts = []
    for cell, words in VARIANTS.items():
        comparison = material.comparison(AGAINST_FINAL[cell])
        if comparison is not None and comparison.mean is not None:
            parts.append(
                f"with {words}, {describe_comparison(comparison, 'test accuracy', 'that of the final network')}"
            )
    return f"{'; '.join(parts)}." if parts else None


def _too_few_images(material: Material) -> Finding | None:
    few, many = (material.find(f"{protocol}/overfit-*") for protocol in ("published", "corrected"))
    if not few or not many or not ran_with([*few, *many], _OVERFIT):
        return None
    reached = summarise_arm([find_metric(cell.metrics, "training_accuracy") for cell in many])
    alone = find_metric(few[0].metrics, "training_accuracy")
    counts = [_count_rows(cells[0].parameters["train_rows"]) for cells in (few, many)]
    return Finding(
        f"On {counts[0]} images the training accuracy ends at {alone:g}; on {counts[1]}, after as many epochs, at "
        f"{reached.mean:.3f} (mean of {reached.n} seeds).",
        "The check is meant for the 100 images that the code prepares.",
        alone == 1 and counts[0] < counts[1],
    )


def _wrong_binary_cross_entropy(material: Material) -> Finding | None:
    cell = material.done("corrected").get("notebook_code")
    if cell is None:
        return None
    found = {name.removeprefix("notebook_code."): value for name, value in cell.metrics.items()}
    errors = {
        what: found[f"backward_error.{what}"] for what in ("cross_entropy", "as_written", "with_mean", "corrected")
    }
    twice = {what: found[f"cost_of_set_twice.{what}"] for what in ("as_written", "corrected")}
    return Finding(
        f"The relative error of the backward pass against differences of the cost is {errors['cross_entropy']:.1g} with the "
        f"cross-entropy and {errors['as_written']:.2g} with the binary one, {errors['with_mean']:.2g} even where that is "
        f"divided by the number of images; ours is {errors['corrected']:.1g}. The same images twice cost "
        f"{twice['as_written']:.3g} times as much, in ours {twice['corrected']:.3g} times. At the softmax outputs of the "
        f"initial network the mean is {found['loss_at.softmax']:.2f}, at its sigmoids {found['loss_at.sigmoid']:.2f}.",
        "Each class is a question of its own: a sigmoid, its cross-entropy, and the slope sigmoid − label. A mean over images "
        "divides by their number, so that loss and step do not depend on the size of the set.",
        max(errors["cross_entropy"], errors["corrected"])
        < _GRADIENT_ERROR
        < min(errors["as_written"], errors["with_mean"])
        and abs(twice["as_written"] - 1) > _GRADIENT_ERROR > abs(twice["corrected"] - 1),
    )


def _unfinished_cycle(material: Material) -> Finding | None:
    final = material.find("published/final")
    if not final or not material.as_published("final.test_accuracy", final):
        return None
    found = {name.removeprefix("final."): value for name, value in final[0].metrics.items()}
    evidence = (
        f"The published run makes {found['updates']:,} updates: {found['cycles']:g} cycles of {found['updates_per_cycle']:,}. "
        f"Its last update has the learning rate {found['last_learning_rate']:.2g}."
    )
    stream = material.done("corrected").get(IN_PUBLISHED_STREAM)
    if stream is not None:
        after = {
            what: find_metric(stream.metrics, f"complete_{what}")
            for what in ("updates", "validation_accuracy", "test_accuracy")
        }
        evidence += (
            f" With {after['updates']:,}, on the same stream, the validation accuracy is "
            f"{after['validation_accuracy']:.4g} instead of {found['validation_accuracy']:.4g}, the test accuracy "
            f"{after['test_accuracy']:.4g} instead of {found['test_accuracy']:.4g}."
        )
    comparison = material.comparison(COMPLETE[AT_PUBLISHED_LAMBDA])
    if comparison is not None and comparison.mean is not None:
        words = describe_comparison(comparison, "test accuracy", "that where it is cut off")
        evidence += f" With the same λ, over seeds, at the end of the cycle {words}."
    return Finding(
        evidence,
        "Five cycles of 2 · 500 updates are 5,000; ten epochs of 490 are 4,900. Where cycles are meant, a run is "
        "given in updates.",
        found["cycles"] != round(found["cycles"]),
    )


def _flips_that_stay(material: Material) -> Finding | None:
    cell = material.done("corrected").get("notebook_code")
    if cell is None:
        return None
    left = {batch: cell.metrics[f"notebook_code.left_mirrored.{batch}"] for batch in ("view", "copy")}
    seen = cell.curves[(cell.curves["metric"] == "seen") & (cell.curves["epoch"] == cell.curves["epoch"].max())]
    rarest = seen[seen["probability"] == seen["probability"].min()].set_index("batch")
    return Finding(
        f"After one epoch of flips with the probability {cell.parameters['flip_probability']:g}, {100 * left['view']:.3g} % of "
        f"the training set stay mirrored; with a copy of each batch, {100 * left['copy']:.3g} %. With the probability "
        f"{rarest['probability'].iloc[0]:g}, epoch {rarest['epoch'].iloc[0]} trains on {100 * rarest['value']['view']:.3g} % "
        f"mirrored images through a view, and on {100 * rarest['value']['copy']:.3g} % with a copy.",
        "A slice of a NumPy array is a view. A batch that is written into has to be a copy, or every epoch, and every later "
        "run, begins with what the one before it left.",
        left["view"] > 0 == left["copy"],
    )


# A relative error of a gradient that is right lies far below this, and one of a gradient that is not, above.
_GRADIENT_ERROR = 1e-4


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


COMPARISONS = {
    **{name: _compare(f"{cell}.complete_test_accuracy", f"{cell}.test_accuracy") for cell, name in COMPLETE.items()},
    **{name: _compare(f"{cell}.test_accuracy", "final.test_accuracy") for cell, name in AGAINST_FINAL.items()},
}

HEADLINES = {
    digit_by_digit: ("published/*",),
    _loose_choice: ("corrected/fine",),
}
PRINCIPAL = ("three_cycles.test_accuracy", "coarse.best_lambda", "fine.best_lambda", "final.*", "gradient_check.*")

# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _replayed: ("published/*", "corrected/row_order"),
    _final_network: ("corrected/fine", "corrected/final-*"),
    _complete_cycle: ("corrected/final-*", f"corrected/{AT_PUBLISHED_LAMBDA}-*"),
    _variants: ("corrected/final-*", "corrected/variant-*"),
}

ERRATA = (
    Error(
        4,
        "C",
        "Results that depend on the order of the cells",
        "The validation accuracy of each λ, and the best λ, are results of that λ. (The training set is shuffled in "
        "place, and each run starts from the order that the runs before it left.)",
        ("corrected/row_order", "published/coarse-*"),
        _hidden_row_order,
    ),
    Error(
        6,
        "C",
        "Too few images",
        "The network overfits 100 images. (It is trained on 20 of them.)",
        ("published/overfit-*", "corrected/overfit-*"),
        _too_few_images,
    ),
    Error(
        7,
        "C",
        "A binary cross-entropy that is neither trained nor a mean",
        "The binary cross-entropy takes softmax outputs where the text means sigmoids, its backward pass ignores the choice of "
        "loss, and its cost is divided by the number of classes.",
        ("corrected/notebook_code",),
        _wrong_binary_cross_entropy,
    ),
    Error(
        8,
        "C",
        "Five cycles that are 4.9",
        "The final network is trained for 5 cycles. (Ten epochs are 100 updates less.)",
        ("published/final", f"corrected/{IN_PUBLISHED_STREAM}", f"corrected/{AT_PUBLISHED_LAMBDA}-*"),
        _unfinished_cycle,
    ),
    Error(
        9,
        "C",
        "Flips of the training set itself",
        "A batch is mirrored at random. (It is a view of the training set, so that the effect of an epoch stays for the next.)",
        ("corrected/notebook_code",),
        _flips_that_stay,
    ),
)
