"""What the results say."""

from collections.abc import Callable, Sequence
from typing import Any

from gradlab.engine.material import Material, compare_runs
from gradlab.engine.results import CellResult
from gradlab.lab.stats import PairedComparison, summarise_arm
from gradlab.studies.moons.config import Config


def _state_replay(material: Material) -> str | None:
    demo = material.done("published").get("demo")
    if demo is None:
        return None
    rows = demo.curves[demo.curves["split"] == "train"].pivot(index="step", columns="metric", values="value")
    final = f"In {rows.index[-1]} steps, the loss goes from {rows['loss'].iloc[0]:.4f} to {rows['loss'].iloc[-1]:.4f}"
    wrong = rows.index[rows["accuracy"] < 100]
    if len(wrong) == 0:
        return f"{final}; all training points are right throughout."
    if wrong[-1] == rows.index[-1]:
        return f"{final}; {rows['accuracy'].iloc[-1]:g} % of the training points are right at the end."
    return f"{final}; from step {wrong[-1] + 1} on, all training points are right."


def _state_held_out(material: Material) -> str | None:
    cells = _done(material)
    if not cells:
        return None
    parts = []
    for cell in cells:
        train, held_out = (_print_arm(_runs(cell, f"{split}_accuracy")) for split in ("train", "held_out"))
        parts.append(f"{train} and {held_out} with a noise of {_noise(cell):g}")
    seeds = len(cells[0].planned.replicates)
    means = f"means over {seeds} seeds, their 95 % intervals in brackets" if seeds > 1 else "one seed"
    return f"Accuracy after training, on training and on held-out points ({means}): {'; '.join(parts)}."


def _state_gap(material: Material) -> str | None:
    told: dict[int, list[str]] = {-1: [], 1: [], 0: []}
    for noise, name in _GAPS.items():
        gap = material.comparison(name)
        if gap is None or gap.interval is None:
            continue
        low, high = gap.interval
        text = f"{noise:g} ({gap.mean:+.2f} [{low:+.2f}, {high:+.2f}])".replace("-", "−")
        told[gap.direction or 0].append(text)
    words = {-1: "lower", 1: "higher", 0: "not told apart"}
    says = [f"{words[direction]} with a noise of {_list(texts)}" for direction, texts in told.items() if texts]
    if not says:
        return None
    return (
        f"Against the training accuracy of the same network, the held-out accuracy is {'; '.join(says)}. Differences are in "
        "percentage points, over pairs of the same seed, with intervals adjusted for all comparisons of the report; each seed "
        "has points of its own, so that the intervals hold their sampling too."
    )


def _compare_splits(noise: float) -> Callable[[Material], PairedComparison | None]:
    def compare(material: Material) -> PairedComparison | None:
        cell = f"noise-{noise}"
        if cell not in material.done("corrected"):
            return None
        return compare_runs(*(material.runs(f"{cell}.{split}_accuracy") for split in ("held_out", "train")))

    return compare


def _done(material: Material) -> list[CellResult]:
    return [cell for cell in material.find("corrected/noise-*") if cell.status == "done"]


def _noise(cell: CellResult) -> float:
    noise: Any = cell.planned.parameters["noise"]
    return float(noise)


def _runs(cell: CellResult, metric: str) -> Sequence[float]:
    runs: Sequence[float] = cell.metrics[f"{cell.cell}.{metric}"]
    return runs


def _print_arm(runs: Sequence[float]) -> str:
    arm = summarise_arm(runs)
    # None where all runs are alike.
    interval = " [{:.2f}, {:.2f}]".format(*arm.mean_interval) if arm.mean_interval and arm.sd else ""
    return f"{arm.mean:.2f} %{interval}"


def _list(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


# The gap of each noise that the study has by default; the family of comparisons is fixed before anything runs.
_GAPS = {noise: f"held-out − training accuracy, noise {noise:g}" for noise in Config().corrected.noises}
COMPARISONS = {name: _compare_splits(noise) for noise, name in _GAPS.items()}

PRINCIPAL = ("parameters", "step_0.*", "step_99.*")
CONCLUSIONS = {
    _state_replay: ("published/demo",),
    _state_held_out: ("corrected/noise-*",),
    _state_gap: ("corrected/noise-*",),
}
