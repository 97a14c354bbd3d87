"""What the results of the four settings say, and what they show of the notebook's errors (F §2)."""

from collections.abc import Callable, Mapping
from functools import partial

from gradlab.engine.claims import Error, Finding, print_effect
from gradlab.engine.material import Material, compare_runs
from gradlab.lab.stats import PairedComparison, describe_comparison, sampling_margin, summarise_arm
from gradlab.studies.augmentation.late import measure_swing, name_late_passes

_TEST_IMAGES = 10_000

AVERAGED, LAST = "averaged weights", "last pass"
_METRICS = {AVERAGED: "averaged_test_accuracy", LAST: "final_test_accuracy"}


def _compare(first: str, second: str, when: str, material: Material) -> PairedComparison | None:
    return compare_runs(*(material.runs(f"{setting}.{_METRICS[when]}") for setting in (first, second)))


# The arms of each comparison. Averaged weights were chosen before there was a result; beside them stands the last pass, as
# in the notebook. `test` and `both` are votes of the networks of `none` and `train`.
ARMS = {
    f"{first} − {second}, {when}": (first, second, when)
    for first, second, when in (
        ("train", "none", AVERAGED),
        ("train", "none", LAST),
        ("test", "none", AVERAGED),
        ("both", "train", AVERAGED),
    )
}
COMPARISONS: Mapping[str, Callable[[Material], PairedComparison | None]] = {
    name: partial(_compare, *arms) for name, arms in ARMS.items()
}


def _describe(material: Material, name: str) -> str | None:
    comparison = material.comparison(name)
    return describe_comparison(comparison, *ARMS[name][:2]) if comparison else None


def _training_augmentation(material: Material) -> str | None:
    averaged, last = (_describe(material, f"train − none, {when}") for when in (AVERAGED, LAST))
    if averaged is None or last is None:
        return None
    words = (
        f"With a transform for every image, and weights averaged over {_name_averaged(material)} of training, {averaged}. "
        f"After the last pass alone, {last}."
    )
    accuracy = summarise_arm(list(material.runs("train.averaged_test_accuracy").values())).mean
    if accuracy is not None:
        words += (
            f" All runs share the {_TEST_IMAGES:,} test images; drawing other images would move one accuracy by "
            f"±{sampling_margin(accuracy, _TEST_IMAGES):.4f}."
        )
    runs = [cell for name in ("none", "train") for cell in material.corrected(f"{name}.final_test_accuracy")]
    if material.as_published("train.final_test_accuracy", (cell for cell in runs if cell.status == "done")):
        return f"{words} {_published_ends(material)}"
    return f"{words} Under these settings that says nothing about the published figures."


def _name_averaged(material: Material) -> str:
    """Return over which part of a run the corrected runs average, in words."""
    return name_late_passes(material.corrected("train.averaged_test_accuracy")[0].parameters["average_from"])


def _published_ends(material: Material) -> str:
    none, train = (material.published_text(f"{name}.final_test_accuracy") for name in ("none", "train"))
    return (
        f"F's runs end at {none} (none) and {train} (train, with one transform for all images of a pass); a reader may "
        "conclude that augmentation lowers the accuracy, F does not say so."
    )


def _test_augmentation(material: Material) -> str | None:
    words = {
        trained: _describe(material, f"{first} − {second}, {AVERAGED}")
        for first, second, trained in (("test", "none", "images as they are"), ("both", "train", "augmented images"))
    }
    if None in words.values():
        return None
    parts = (f"trained on {trained}, {found}" for trained, found in words.items())
    return f"A vote over augmented copies of the test images, by the same networks with averaged weights: {'; '.join(parts)}."


def measure_swings(material: Material) -> tuple[float, float, list[float]] | None:
    """Return how far the test accuracy of `train` swings in the published log, in our replay of it, and in the corrected runs.

    Each is the standard deviation over the passes whose weights the corrected runs average. None where a cell has not run, or
    a run shows no swing.
    """
    replay = material.done().get("train")
    runs = material.find("corrected/augmented-*")
    if replay is None or not runs or any(cell.status != "done" for cell in runs):
        return None
    share = runs[0].parameters["average_from"]
    log, ours = (measure_swing(curves, share) for curves in (material.log("train"), replay.curves))
    swings = [measure_swing(cell.curves[cell.curves["setting"] == "train"], share) for cell in runs]
    own = [swing for swing in swings if swing is not None]
    return None if log is None or ours is None or len(own) < len(runs) else (log, ours, own)


def _swings(material: Material) -> str | None:
    swings = measure_swings(material)
    if swings is None:
        return None
    _, replay, own = swings
    compared = "more in every run" if min(own) > replay else "less in some runs, not in all"
    if max(own) < replay:
        compared = "less in every run"
    return (
        f"From pass to pass over {_name_averaged(material)} of training, the test accuracy of train has a standard deviation "
        f"of {replay:.4f} in our replay, where all images of a pass share a transform, and of {min(own):.4f} to {max(own):.4f} "
        f"with a transform for every image: {compared} ({len(own)})."
    )


def _loss_for_accuracy(material: Material) -> Finding | None:
    parts, meant, confirmed = [], [], True
    for setting in ("test", "both"):
        entry = material.entry(f"{setting}.final_test_accuracy")
        ours = material.done().get(setting)
        if entry is None or ours is None or not material.as_published(entry.id, [ours]):
            return None
        run = material.log(setting).query("split == 'test'")
        last = run[run["pass"] == run["pass"].max()].set_index("metric")["value"]
        confirmed &= round(float(entry.published), 3) == last["loss"] != last["accuracy"]
        meant.append(f"{entry.meant} ({setting})")
        parts.append(
            f"{setting}: printed {entry.published}; its own log ends with test loss {last['loss']:.3f} and test accuracy "
            f"{last['accuracy']:.3f}; our replay with {ours.metrics[f'{setting}.final_test_loss']:.4f} and "
            f"{ours.metrics[f'{setting}.final_test_accuracy']:.4f}"
        )
    right = f"The test accuracies are those of the log: {' and '.join(meant)}."
    return Finding("; ".join(parts) + ".", right, bool(confirmed))


def _one_transform_for_all(material: Material) -> Finding | None:
    figure, name = "train.final_test_accuracy", f"train − none, {AVERAGED}"
    cells = [*material.find("published/train"), *material.corrected("none.passes"), *material.corrected("train.passes")]
    swings, comparison = measure_swings(material), material.comparison(name)
    if swings is None or comparison is None or comparison.direction is None or not material.as_published(figure, cells):
        return None
    log, replay, own = swings
    right = {
        1: "raises the accuracy",
        -1: "lowers the accuracy",
        0: "makes no difference that these seeds detect",
    }[comparison.direction]
    return Finding(
        f"Over {_name_averaged(material)} of training the test accuracy of train has a standard deviation from pass to pass "
        f"of {log:.4f} in F's log and of {replay:.4f} in our replay, where all images of a pass share a transform; with one "
        f"for every image, of {min(own):.4f} to {max(own):.4f} ({len(own)} runs). {_published_ends(material)}",
        f"With a transform for every image, augmenting the training images {right}: with averaged weights, "
        f"{describe_comparison(comparison, 'train', 'none')}.",
        True if min(log, replay) > max(own) else False if log <= max(own) else None,
    )


def augmentation_helps(material: Material) -> str | None:
    comparison = material.comparison(f"train − none, {AVERAGED}")
    if comparison is None or not (effect := print_effect(comparison)):
        return None
    word = {1: "raise the test accuracy", -1: "lower the test accuracy"}.get(
        comparison.direction or 0, "make no difference to the test accuracy that the seeds detect"
    )
    return f"Augmented training images {word}: {effect}, weights averaged."


def logs_followed(material: Material) -> str | None:
    judged = [log for log in material.logs if log.rule == "follows" and log.verdict != "not run"]
    followed = [log.id for log in judged if log.verdict in ("exact", "reproduced")]
    if not judged:
        return None
    names = f" ({', '.join(followed)})" if 0 < len(followed) < len(judged) else ""
    return (
        f"From the same random numbers, {len(followed)} of {len(judged)} published training logs{names} are followed."
    )


HEADLINES = {
    augmentation_helps: ("corrected/*",),
    logs_followed: ("published/*",),
}
PRINCIPAL = ("*.final_test_accuracy",)

# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _training_augmentation: ("corrected/*",),
    _test_augmentation: ("corrected/*",),
    _swings: ("published/train", "corrected/augmented-*"),
}

ERRATA = (
    Error(
        1,
        "F 2.6",
        "A loss printed as an accuracy",
        "The final test accuracy is 0.8301 for test and 0.6932 for both.",
        ("published/test", "published/both"),
        _loss_for_accuracy,
    ),
    Error(
        2,
        "F 2.2 to 2.5",
        "One transform for all images",
        "All images of a pass share one crop and one angle; the exercise asks for one for each image.",
        ("published/train", "corrected/*"),
        _one_transform_for_all,
    ),
)
