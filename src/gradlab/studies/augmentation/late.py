"""The late passes of a run: those whose weights are averaged, and over which the accuracy swings (F §2)."""

import pandas as pd

from gradlab.lab.curves import select


def find_late_passes(passes: int, share: float) -> range:
    """Return the passes after `share`, in [0, 1), of the `passes` that a run took; without any, the untrained network, 0."""
    return range(int(share * passes) + 1, passes + 1) if passes else range(1)


def name_late_passes(share: float) -> str:
    """Return in words which part of a run the late passes are."""
    return "the second half" if share == 0.5 else f"the last {100 * (1 - share):.0f} %"


def measure_swing(curves: pd.DataFrame, share: float) -> float | None:
    """Return the sample standard deviation of the test accuracy over the late passes of a run.

    Parameters
    ----------
    curves
        Tidy curves of one run.
    share
        As for `find_late_passes`.

    Returns
    -------
    float or None
        None where there are fewer than two late passes, or one of them was not evaluated on the test images.
    """
    late = find_late_passes(int(curves["pass"].max()), share)
    accuracy = select(curves, "test", "accuracy").set_index("pass")["value"].reindex(late)
    return float(accuracy.std()) if len(late) > 1 and accuracy.notna().all() else None
