"""What the results of the batch sizes say, and what they show of the notebook's errors (F §3)."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd

from gradlab.engine.claims import Error, Finding
from gradlab.engine.ledger import Entry
from gradlab.engine.material import Material, compare_runs
from gradlab.engine.results import CellResult, Runs, collect_runs
from gradlab.lab.stats import PairedComparison, summarise_arm

SIZES = (1, 2, 4, 8, 16)  # of the notebook, in its order
_METRICS = [(split, metric) for split in ("train", "test") for metric in ("loss", "accuracy")]
_KERNELS = {
    "as replayed": "",
    "from a fresh kernel": "fresh_kernel_",
    "with the four networks of F §2 built first": "after_section_2_",
}


def _sizes(material: Material, rate: str) -> list[int]:
    """Return the batch sizes that were trained at half of a rate, `published` or `found`, smallest first."""
    ending = f"-{rate}_rate"
    return sorted(int(name.removesuffix(ending)) for name in material.done("corrected") if name.endswith(ending))


def _interpolation_runs(material: Material, size: int, rate: str, unit: str) -> Runs:
    """Return the passes, or updates, to training accuracy 1 of the runs at half of a rate, by seed."""
    arm = f"{size}.found_rate" if rate == "found" else f"{size}"
    return material.runs(f"{arm}.interpolation_{unit}")


# Comparisons -----------------------------------------------------------------------------------------


def _compare_interpolation(material: Material, *, rate: str, unit: str) -> PairedComparison | None:
    sizes = _sizes(material, rate)
    if len(sizes) < 2:
        return None
    return compare_runs(
        *(_interpolation_runs(material, size, rate, unit) for size in (sizes[0], sizes[-1])), censored=True
    )


def _compare_rates(material: Material, *, size: int) -> PairedComparison | None:
    cells = material.done("corrected")
    found, published = (cells.get(f"{size}-{rate}_rate") for rate in ("found", "published"))
    if found is None or published is None:
        return None
    return compare_runs(
        collect_runs([found], f"{size}.found_rate.final_test_accuracy"),
        collect_runs([published], f"{size}.final_test_accuracy"),
    )


def _compare_with_eye(material: Material) -> PairedComparison | None:
    ratios = [
        {seed: np.log2((rate or np.nan) / float(entry.published)) for seed, rate in material.runs(entry.id).items()}
        for entry in _rates(material)
    ]
    if not ratios:
        return None
    found = {seed: float(np.mean([of_seeds[seed] for of_seeds in ratios])) for seed in ratios[0]}
    return compare_runs(found, dict.fromkeys(found, 0.0))


def _compare_law(material: Material) -> PairedComparison | None:
    size = _farthest(material)
    if size is None:
        return None
    arms = (material.runs(f"law.{size}.{name}") for name in ("predicted", "found"))
    return compare_runs(*({seed: rate and float(np.log2(rate)) for seed, rate in arm.items()} for arm in arms))


def _rates(material: Material) -> list[Entry]:
    """The ledger's entries of the published divergent rates that were held against ours."""
    entries = [entry for entry in material.entries if entry.id.endswith(".divergent_learning_rate")]
    return [entry for entry in entries if entry.verdict != "not run"]


def _ratios(material: Material) -> list[float]:
    """How many times higher the mean of ours is than each of these rates."""
    means = [(entry.corrected_mean, float(entry.published)) for entry in _rates(material)]
    return [mean / published for mean, published in means if mean is not None]


def _farthest(material: Material) -> int | None:
    """The largest batch size that the law was not fitted to; None where there is none."""
    law = material.done("corrected").get("law")
    beyond = set() if law is None else set(law.parameters["batch_sizes"]) - set(law.parameters["fitted"])
    return max(beyond, default=None)


_BY_EYE = "divergent rate, rule − eye, in powers of 2 (mean over batch sizes)"
_LAW = "divergent rate at the largest batch size, law − found, in powers of 2"
_ENDS = "{unit} to training accuracy 1 at half of the {rate} rates, smallest − largest batch size"
_FOUND = "test accuracy at B = {size}, found − published rate"

COMPARISONS: Mapping[str, Callable[[Material], PairedComparison | None]] = {
    _BY_EYE: _compare_with_eye,
    _LAW: _compare_law,
    **{
        _ENDS.format(rate=rate, unit=unit): partial(_compare_interpolation, rate=rate, unit=unit)
        for rate, unit in (("published", "updates"), ("published", "passes"), ("found", "passes"))
    },
    **{_FOUND.format(size=size): partial(_compare_rates, size=size) for size in SIZES},
}


def found_against_published(material: Material) -> dict[int, PairedComparison]:
    """Return, by batch size, the test accuracy at half of the rate found against that at the published rate, adjusted."""
    compared = {size: material.comparison(_FOUND.format(size=size)) for size in SIZES}
    return {size: comparison for size, comparison in compared.items() if comparison is not None}


# Conclusions -----------------------------------------------------------------------------------------


def _divergent_rates(material: Material) -> str | None:
    comparison = material.comparison(_BY_EYE)
    if comparison is None:
        return None
    ratios = _ratios(material)
    inside = sum(entry.verdict in ("reproduced", "compatible") for entry in _rates(material))
    span = f"{min(ratios):.2f} to {max(ratios):.2f} times the rates chosen by eye"
    word = {
        1: f"By one rule for all batch sizes, training diverges at higher rates than the notebook's: at {span}",
        -1: f"By one rule for all batch sizes, training diverges at lower rates than the notebook's already: at {span}",
    }.get(
        comparison.direction or 0,
        f"By one rule for all batch sizes, training diverges at {span}, which is no detectable shift",
    )
    return (
        f"{word} (n = {comparison.n} seeds). {inside} of {len(ratios)} published rates lie inside the prediction interval of "
        "our seeds."
    )


def _law(material: Material) -> str | None:
    comparison, size, law = material.comparison(_LAW), _farthest(material), material.done("corrected").get("law")
    if comparison is None or law is None:
        return None
    a, b, found, predicted = (
        float(np.mean(law.metrics[f"law.{name}"])) for name in ("a", "b", f"{size}.found", f"{size}.predicted")
    )
    word = {
        1: "the rate saturates earlier than the law",
        -1: "the rate still grows where the law saturates",
    }.get(comparison.direction or 0, "a difference that so few seeds cannot tell from chance")
    fitted = law.parameters["fitted"]
    curves = law.curves[~law.curves["batch_size"].isin(fitted)]
    beyond = curves.pivot(index=["batch_size", "seed"], columns="metric", values="value")
    above = int((beyond["predicted"] > beyond["divergent"]).sum())
    return (
        f"The law 1/η* = a + b/B fits the divergent rates found at batch sizes {min(fitted)} to {max(fitted)} within "
        f"{100 * law.metrics['law.misfit']:.1f} % (a = {a:.3g}, b = {b:.3g}). At other batch sizes, its rate lies above the "
        f"bracket in {above} of {len(beyond)} searches; at {size} it is {predicted:.2f}, and {found:.2f} was found: {word} "
        f"(n = {comparison.n})."
    )


_NUMBERS: Mapping[int | None, str] = {1: "more", -1: "fewer", 0: "no detectably different number of"}


def _interpolation(material: Material) -> str | None:
    sizes, parts, n = _sizes(material, "published"), [], 0
    for unit in ("updates", "passes"):
        comparison = material.comparison(_ENDS.format(rate="published", unit=unit))
        if comparison is None:
            return None
        n = comparison.won + comparison.lost + comparison.tied
        ends = (_print_reached(material, size, unit) for size in (sizes[0], sizes[-1]))
        why = f"; {comparison.method}" if comparison.interval is None else ""
        parts.append(f"{_NUMBERS.get(comparison.direction, 'on average')} {unit} ({' against '.join(ends)}{why})")
    return (
        f"To classify every training image correctly, batch size {sizes[0]} takes {' and '.join(parts)} than batch size "
        f"{sizes[-1]}, each at half of its own published rate (n = {n})."
    )


def _print_reached(material: Material, size: int, unit: str) -> str:
    arm = summarise_arm(list(_interpolation_runs(material, size, "published", unit).values()))
    mean = "none" if arm.mean is None else f"{arm.mean:.0f}"
    return f"{mean}, reached by {arm.n} of {arm.n + arm.missing}" if arm.missing else mean


def _interpolation_at_found_rates(material: Material) -> str | None:
    sizes, comparison = _sizes(material, "found"), material.comparison(_ENDS.format(rate="found", unit="passes"))
    if comparison is None:
        return None
    arms = {
        size: summarise_arm(list(_interpolation_runs(material, size, "found", "passes").values())) for size in sizes
    }
    reached = ", ".join(
        f"batch size {size} under {arm.n} of {arm.n + arm.missing} seeds"
        + (f" (after {arm.mean:.0f} passes on average)" if arm.n else "")
        for size, arm in arms.items()
    )
    passes = material.done("corrected")[f"{sizes[0]}-found_rate"].parameters["passes"]
    pairs = comparison.won + comparison.lost
    least = "" if comparison.interval or not pairs else f"; so few pairs cannot give less than p = {2 / 2**pairs:.2g}"
    p_value = "" if comparison.p_value is None else f", p = {comparison.p_value:.2g} before adjustment{least}"
    return (
        f"At half of the rates found, every training image is classified correctly within {passes} passes at {reached}. Batch "
        f"size {sizes[0]} takes {_NUMBERS.get(comparison.direction, 'on average as many')} passes than batch size {sizes[-1]} "
        f"({comparison.method}{p_value})."
    )


def _batch_size_accuracy(material: Material) -> str | None:
    comparisons = found_against_published(material)
    found = {
        1: "higher",
        -1: "lower",
        0: "not told apart",
        None: "not to be judged by so few runs",
    }
    parts = []
    for direction, words in found.items():
        sizes = [size for size, comparison in comparisons.items() if comparison.direction == direction]
        if sizes:
            n = min(comparisons[size].n for size in sizes)
            parts.append(f"{words} at batch size {', '.join(map(str, sizes))} (n = {n})")
    if not parts:
        return None
    return (
        "Under the same seeds, the test accuracy after the last pass at half of the rate found, against that at half of the "
        f"published one, is {'; '.join(parts)}."
    )


# Headlines -------------------------------------------------------------------------------------------


def _divergence_by_rule(material: Material) -> str | None:
    comparison = material.comparison(_BY_EYE)
    if comparison is None or comparison.direction is None:
        return None
    ratios = _ratios(material)
    times = f"{min(ratios):.1f} to {max(ratios):.1f} times those chosen by eye ({comparison.n} seeds)"
    if comparison.direction == 0:
        return f"Learning rates at which training diverges, by one rule: {times}, no detectable shift."
    return f"Learning rates at which training diverges are {times}, by one rule for all batch sizes."


def rate_saturates(material: Material) -> str | None:
    comparison, size, law = material.comparison(_LAW), _farthest(material), material.done("corrected").get("law")
    if comparison is None or law is None:
        return None
    found, predicted = (float(np.mean(law.metrics[f"law.{size}.{name}"])) for name in ("found", "predicted"))
    sure = "" if comparison.direction else ", a difference that so few seeds do not tell"
    return f"At batch size {size} training diverges from {found:.2f} on; the law 1/η* = a + b/B says {predicted:.2f}{sure}."


def passes_needed(material: Material) -> str | None:
    """Say how many passes training accuracy 1 takes at half of the published rates, whatever the batch size."""
    arms = [
        summarise_arm(list(_interpolation_runs(material, size, "published", "passes").values()))
        for size in _sizes(material, "published")
    ]
    means = [arm.mean for arm in arms if arm.mean is not None]
    if not means:
        return None
    missing, runs = sum(arm.missing for arm in arms), sum(arm.n + arm.missing for arm in arms)
    unless = f"; {missing} of {runs} runs do not get there" if missing else ""
    return (
        f"At half of the published rates, training accuracy 1 takes {min(means):.0f} to {max(means):.0f} passes on average, "
        f"at every batch size{unless}."
    )


HEADLINES = {
    _divergence_by_rule: ("corrected/search-*",),
    rate_saturates: ("corrected/law",),
}
PRINCIPAL = ("*.interpolation_updates", "*.divergent_learning_rate")


# Errors ----------------------------------------------------------------------------------------------


def _replays(material: Material) -> dict[int, CellResult]:
    """The complete replays that ran under the published settings, by batch size."""
    cells = {size: material.done().get(f"{size}") for size in SIZES}
    return {
        size: cell
        for size, cell in cells.items()
        if cell is not None and material.as_published(f"{size}.interpolation_updates", [cell])
    }


def _rounded_interpolation(material: Material) -> Finding | None:
    parts, ahead = [], {}
    for size, cell in _replays(material).items():
        log = material.log(f"{size}")
        printed = _first_pass(log, 1)
        updates = material.published_text(f"{size}.interpolation_updates")
        if updates is None:
            continue
        passes = int(updates) // round(cell.parameters["subset_size"] / size)
        parts.append(f"B = {size}: {passes}, log 1.000 from {printed} on")
        ahead[size] = printed < passes
        exact = _first_pass(cell.curves, 1)
        if exact is not None:
            parts[-1] += f"; replay {exact}, 1.000 from {_first_pass(cell.curves, 0.9995)} on"
    if not parts:
        return None
    return Finding(
        f"Published passes until training accuracy 1, and where the log first prints 1.000: {'. '.join(parts)}.",
        "Interpolation is the pass after which every image is classified correctly: 0.9995 prints as 1.000 and is not 1.",
        any(ahead.values()),
    )


def _first_pass(curves: pd.DataFrame, least: float) -> int | None:
    """Return the first pass after which the training accuracy is at least so high; None where it never is."""
    reached = curves[(curves["split"] == "train") & (curves["metric"] == "accuracy") & (curves["value"] >= least)]
    return None if reached.empty else int(reached["pass"].min())


def _kernel_states(material: Material) -> Finding | None:
    counts = dict.fromkeys(_KERNELS, 0)
    total = 0
    for size, cell in _replays(material).items():
        logs = {"": material.log(f"{size}"), "trial_": material.log(f"{size}.trial")}
        for network, log in logs.items():
            printed = log[log["pass"] == 0].set_index(["split", "metric"])["value"]
            ours = cell.curves[cell.curves["pass"] == 0].set_index(["split", "metric"])["value"]
            for split, metric in _METRICS:
                name = network + metric
                text = f"{printed[split, name]:.3f}"
                total += 1
                for kernel, prefix in _KERNELS.items():
                    counts[kernel] += f"{ours[split, prefix + name]:.3f}" == text
    if not total:
        return None
    found = ", ".join(f"{number} {kernel}" for kernel, number in counts.items())
    replayed, *others = counts.values()
    return Finding(
        f"Of {total} figures that F §3 prints of untrained networks, {found} come out digit by digit.",
        "F §3 was printed by a kernel that had built 18 such networks before, and in which F §2 had not been trained; one that "
        "runs the notebook from its top prints other numbers.",
        None if replayed < total else max(others) < total,
    )


def _rates_by_eye(material: Material) -> Finding | None:
    parts, outside, spread, learns = [], 0, 1.0, []
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
    for size, cell in _replays(material).items():
        losses = cell.curves[(cell.curves["split"] == "train") & (cell.curves["metric"] == "trial_loss")]
        before, after = losses.sort_values("pass")["value"]
        learns.append((size, before, after))
    if not parts:
        return None
    evidence = (
        f"From the largest stable to the smallest divergent rate over {len(stable)} seeds, by one rule: {'; '.join(parts)}. "
        f"{outside} of {len(parts)} published rates lie outside."
    )
    if learns:
        trials = "; ".join(f"B = {size}: {before:.3f} → {after:.3f}" for size, before, after in learns)
        evidence += f" Training loss before and after the notebook's own trial pass at the published rate: {trials}."
    return Finding(
        evidence,
        "A rate diverges if within one pass the smoothed training loss becomes non-finite or ends no lower than that "
        "of the untrained network. By this rule the thresholds of the seeds differ by at most "
        f"{100 * (spread - 1):.0f} % at one batch size.",
        outside > 0 or any(after < before for _, before, after in learns),
    )


# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _divergent_rates: ("corrected/search-*",),
    _law: ("corrected/law",),
    _interpolation: ("corrected/*-published_rate",),
    _interpolation_at_found_rates: ("corrected/*-found_rate",),
    _batch_size_accuracy: ("corrected/*_rate",),
}

ERRATA = (
    Error(
        4,
        "F 3.2 to 3.6",
        "Two kernels in one notebook",
        "The output of F §3 follows that of F §2, as if one kernel had run both.",
        ("published/*",),
        _kernel_states,
    ),
    Error(
        5,
        "F 3.2 to 3.6",
        "Divergent learning rates by eye",
        "The learning rates at which training diverges are 0.01, 0.02, 0.05, 0.1 and 0.15, without a criterion.",
        ("corrected/search-*", "published/*"),
        _rates_by_eye,
    ),
    Error(
        None,
        "F 3.7",
        "Rounding that looks like interpolation",
        "The passes to a training accuracy of exactly 1 are counted, and the log prints 1.000 before.",
        ("published/*",),
        _rounded_interpolation,
    ),
)
