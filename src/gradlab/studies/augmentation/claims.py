"""What the results of the four settings say, and what they show of the notebook's errors (F §2)."""

from gradlab.engine.claims import Error, Finding
from gradlab.engine.material import Material, compare_runs
from gradlab.lab.stats import PairedComparison, describe_comparison


def compare_settings(
    material: Material, first: str, second: str, metric: str = "final_test_accuracy"
) -> PairedComparison | None:
    """Compare two augmentation settings over the seeds of the corrected protocol."""
    return compare_runs(*(material.runs(f"{name}.{metric}") for name in (first, second)))


def _training_augmentation(material: Material) -> str | None:
    comparison = compare_settings(material, "train", "none")
    if comparison is None or comparison.mean is None:
        return None
    words = f"with a transform for every image, {describe_comparison(comparison, 'train', 'none')}"
    last_five = compare_settings(material, "train", "none", "test_accuracy_mean_last_five")
    if last_five.mean is not None:
        words += f"; in the mean of the last five passes, {describe_comparison(last_five, 'train', 'none')}"
    runs = [cell for name in ("none", "train") for cell in material.corrected(f"{name}.final_test_accuracy")]
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
    shared = material.done().get("train")
    last = [
        abs(final - mean)
        for final, mean in zip(
            *(
                material.runs(f"train.{metric}").values()
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


def _loss_for_accuracy(material: Material) -> Finding | None:
    parts, confirmed = [], True
    for setting in ("test", "both"):
        entry = material.entry(f"{setting}.final_test_accuracy")
        ours = material.done().get(setting)
        if ours is None or not material.as_published(entry.id, [ours]):
            return None
        log = material.log(setting)
        run = log[log["split"] == "test"]
        last = run[run["pass"] == run["pass"].max()].set_index("metric")["value"]
        confirmed &= round(float(entry.published), 3) == last["loss"] != last["accuracy"]
        parts.append(
            f"{setting}: printed {entry.published}; its own log ends with test loss {last['loss']:.3f} and test accuracy "
            f"{last['accuracy']:.3f}; our replay with {ours.metrics[f'{setting}.final_test_loss']:.4f} and "
            f"{ours.metrics[f'{setting}.final_test_accuracy']:.4f}"
        )
    right = "The test accuracies are those of the log: " + " and ".join(
        f"{material.entry(f'{setting}.final_test_accuracy').meant} ({setting})" for setting in ("test", "both")
    )
    return Finding("; ".join(parts) + ".", right + ".", bool(confirmed))


def _one_transform_for_all(material: Material) -> Finding | None:
    accuracy = {setting: f"{setting}.final_test_accuracy" for setting in ("none", "train", "test", "both")}
    replay = {setting: material.find(f"published/{setting}") for setting in accuracy}
    for setting, metric in accuracy.items():
        if not replay[setting] or not material.as_published(metric, [*replay[setting], *material.corrected(metric)]):
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
        "Augmentation lowers the test accuracy. (All images of a pass share one crop and one angle; the exercise asks "
        "for one for each image.)",
        ("published/*", "corrected/*"),
        _one_transform_for_all,
    ),
)
