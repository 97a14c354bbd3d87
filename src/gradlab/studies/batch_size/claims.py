"""What the results of the batch sizes say, and what they show of the notebook's errors (F §3)."""

from gradlab.engine.claims import Error, Finding
from gradlab.engine.material import Material, compare_runs
from gradlab.engine.results import collect_runs
from gradlab.lab.stats import PairedComparison, summarise_arm

SUBSET = 6000  # images on which the notebook trained


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
    return sorted((name for name in material.done("corrected") if name.isdigit()), key=int)


def _interpolation(material: Material) -> str | None:
    sizes = _batch_sizes(material)
    if len(sizes) < 2:
        return None
    half = "each at half of its own divergent rate"
    arms = {size: summarise_arm(list(material.runs(f"{size}.interpolation_passes").values())) for size in sizes}
    if any(arm.missing for arm in arms.values()):
        reached = [
            f"batch size {size} under {arm.n} of {arm.n + arm.missing} seeds"
            + (f" (after {arm.mean:.0f} passes on average)" if arm.n else "")
            for size, arm in arms.items()
        ]
        passes = material.done("corrected")[sizes[0]].parameters["passes"]
        return f"Within {passes} passes, {half}, every training image is classified correctly at {', '.join(reached)}."
    smallest, largest = sizes[0], sizes[-1]
    parts = []
    for unit in ("updates", "passes"):
        runs = [material.runs(f"{size}.interpolation_{unit}") for size in (smallest, largest)]
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
    published, comparisons = material.done(), {}
    for size in _batch_sizes(material):
        metric = f"{size}.final_test_accuracy"
        if size in published:
            comparison = compare_runs(material.runs(metric), collect_runs([published[size]], metric))
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


def _rounded_interpolation(material: Material) -> Finding | None:
    log = material.logs_of("batch_size", ("1", "2", "4", "8", "16")).astype({"batch_size": int})
    train = log[(log["split"] == "train") & (log["metric"] == "accuracy")]
    published, ours, earlier = [], [], False
    for name, cell in material.done().items():
        entry = material.entry(f"{name}.interpolation_updates")
        if entry is None or not material.as_published(entry.id, [cell]):
            continue
        passes = int(entry.published) // round(SUBSET / int(name))
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
    for cell in material.find("corrected/search-*"):
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


# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _divergent_rates: ("corrected/search-*",),
    _interpolation: ("corrected/[0-9]*",),
    _batch_size_accuracy: ("corrected/[0-9]*", "published/*"),
}

ERRATA = (
    Error(
        4,
        "F 3.7",
        "Rounding read as interpolation",
        "The log shows training accuracy 1.000 before the pass that the notebook counts as the first with 100 %.",
        ("published/*",),
        _rounded_interpolation,
    ),
    Error(
        5,
        "F 3.2 to 3.6",
        "Divergent learning rates by eye",
        "The learning rates at which training diverges are 0.01, 0.02, 0.05, 0.1 and 0.15, without a criterion.",
        ("corrected/search-*",),
        _rates_by_eye,
    ),
)
