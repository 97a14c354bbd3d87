"""Figures of the augmentation study (F §2): one run or several seeds under the four settings, the published log, samples.

Tables of curves are tidy: `pass`, `split`, `metric`, `value`, with `setting` where a table holds several settings, and
`seed` where it holds several runs of each.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradlab.lab import style
from gradlab.lab.curves import PANELS, dress_panel, select, tabulate_seeds

CLASS_NAMES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

# A setting has the same colour and the same marker in every figure, whichever other settings are drawn.
SETTING_COLOURS = dict(zip(("none", "train", "test", "both"), style.COLOURS, strict=False))
SETTING_MARKERS = dict(zip(SETTING_COLOURS, style.MARKERS, strict=False))

# Where a line's style is free to tell settings apart, it says how the test images are used: a full line for images as
# they are, a broken one for votes. Settings that differ in nothing else share their training curves; drawn on the full
# line, the broken one leaves as much of it to be seen as it hides.
SETTING_LINES = {
    setting: {"linestyle": linestyle, "linewidth": 1.8}
    for setting, linestyle in zip(SETTING_COLOURS, ("-", "-", (0, (4, 4)), (0, (4, 4))), strict=True)
}

_LOGARITHMIC = {("train", "loss")}  # it falls over two decades; the test loss does not


def plot_run(curves: pd.DataFrame) -> Figure:
    """Plot one setting: train and test, loss and accuracy, against passes over the data."""
    figure, axes = style.panels(2, 2)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        rows = select(curves, split, metric)
        ax.plot(rows["pass"], rows["value"], color=style.COLOURS[0], **style.REPRODUCED)
        dress_panel(ax, split, metric, curves, logarithmic=_LOGARITHMIC)
    return figure


def plot_settings(reproduced: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Plot all settings in the same four panels, each in its colour and marker: reproduced full, published dashed.

    Parameters
    ----------
    reproduced, published
        Tidy curves with `setting`. A setting may be missing from either.

    Raises
    ------
    ValueError
        If a table names a setting that does not exist.
    """
    settings = _list_settings(reproduced, published)
    figure, axes = style.panels(2, 2, width=9.0)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        for place, setting in enumerate(settings):
            ours, theirs = (
                select(table[table["setting"] == setting], split, metric) for table in (reproduced, published)
            )
            spacing = style.space_markers(len(theirs), place=2 * place, lines=2 * len(settings))
            look = style.hollow(_mark(setting)) | style.PUBLISHED
            ax.plot(theirs["pass"], theirs["value"], markevery=spacing, **look)
            spacing = style.space_markers(len(ours), place=2 * place + 1, lines=2 * len(settings))
            ax.plot(ours["pass"], ours["value"], markevery=spacing, **_mark(setting), **style.REPRODUCED)
        dress_panel(ax, split, metric, reproduced, published, logarithmic=_LOGARITHMIC)
    handles = [Line2D([], [], label=setting, **_mark(setting), **style.REPRODUCED) for setting in settings]
    handles.append(Line2D([], [], color="0.3", label="reproduced", **style.REPRODUCED))
    handles.append(Line2D([], [], color="0.3", label="published", **style.PUBLISHED))
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def plot_arms(curves: pd.DataFrame) -> Figure:
    """Plot one run as each of several settings evaluates it, in the same four panels, a line for each setting.

    Settings that differ in the test images alone have the same training curves and the same test loss: the lines then
    lie on one another, and line style and marker tell them apart. In the panels of the test set, which may be
    evaluated after some passes only, a marker stands at every evaluation.

    Parameters
    ----------
    curves
        Tidy curves with `setting`.

    Raises
    ------
    ValueError
        If the table names a setting that does not exist.
    """
    settings = _list_settings(curves)
    looks = {setting: _mark(setting) | SETTING_LINES[setting] for setting in settings}
    for look in looks.values():
        look["markersize"] = 6.5 if look["linestyle"] == "-" else 4  # a marker at the same place stays visible around
    figure, axes = style.panels(2, 2, width=9.0)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        for place, setting in enumerate(settings):
            rows = select(curves[curves["setting"] == setting], split, metric)
            spacing = 1 if split == "test" else style.space_markers(len(rows), place=place, lines=len(settings))
            ax.plot(rows["pass"], rows["value"], **looks[setting], markevery=spacing)
        dress_panel(ax, split, metric, curves, logarithmic=_LOGARITHMIC)
    handles = [Line2D([], [], label=setting, **looks[setting]) for setting in settings]
    figure.legend(handles=handles, loc="outside right upper", handlelength=3.5)
    return figure


def plot_seeds(curves: pd.DataFrame) -> Figure:
    """Plot all settings in the same four panels: a thin line for each seed, a thick one for their median.

    Runs end at different passes, and the test set may be evaluated after other passes in one run than in another. The
    median, which one seed with an extreme test loss leaves where it is, is drawn at the passes after which every seed of
    the setting has a finite value, so it never goes over from all seeds to those that are left. Both axes of the loss are
    logarithmic: they have to hold that one seed.

    Parameters
    ----------
    curves
        Tidy curves with `setting` and `seed`.

    Raises
    ------
    ValueError
        If the table names a setting that does not exist, or has two values for the same point of a run.
    """
    settings = _list_settings(curves)
    figure, axes = style.panels(2, 2, width=9.0)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        for setting in settings:
            of_setting = curves[curves["setting"] == setting]
            for _, run in select(of_setting, split, metric).groupby("seed"):
                look = style.SINGLE_SEED | {"linestyle": SETTING_LINES[setting]["linestyle"]}
                ax.plot(run["pass"], run["value"], color=SETTING_COLOURS[setting], **look)
        # Means after all single seeds: they must not lie under another setting's runs.
        for place, setting in enumerate(settings):
            median = _median_of_seeds(tabulate_seeds(curves[curves["setting"] == setting], split, metric))
            spacing = style.space_markers(len(median), place=place, lines=len(settings))
            ax.plot(median.index, median, **_mark(setting), markevery=spacing, **SETTING_LINES[setting])
        dress_panel(ax, split, metric, curves, logarithmic=_LOGARITHMIC | {("test", "loss")})
    handles = [Line2D([], [], label=setting, **_mark(setting), **SETTING_LINES[setting]) for setting in settings]
    handles.append(Line2D([], [], color="0.3", linewidth=1.8, label="median of the seeds"))
    handles.append(Line2D([], [], color="0.3", label="a seed", **style.SINGLE_SEED))
    figure.legend(handles=handles, loc="outside right upper", handlelength=3.5)
    return figure


def plot_samples(clean: np.ndarray, transformed: np.ndarray, labels: Sequence[int]) -> Figure:
    """Show pictures in one row and the same pictures under a transform in a second one.

    Parameters
    ----------
    clean, transformed
        Grey levels from 0 to 255, shape (k, height, width).
    labels
        The k labels, 0 to 9.
    """
    if not len(clean) == len(transformed) == len(labels):
        raise ValueError(
            f"{len(clean)} clean and {len(transformed)} transformed pictures have {len(labels)} labels; "
            "expected as many of each"
        )
    figure, axes = style.panels(2, len(labels), height=1.7)
    for ax, picture in zip(axes, [*clean, *transformed], strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax, label in zip(axes, labels, strict=False):
        ax.set_title(CLASS_NAMES[label], fontsize=10)
    axes[0].set_ylabel("as it is")
    axes[len(labels)].set_ylabel("transformed")
    return figure


def _list_settings(*tables: pd.DataFrame) -> list[str]:
    """Return the settings that occur in any of the tables, in the order of `SETTING_COLOURS`."""
    named = {setting for table in tables for setting in table["setting"]}
    if unknown := sorted(named - set(SETTING_COLOURS)):
        raise ValueError(f"no colour for the settings {unknown}; the settings are {', '.join(SETTING_COLOURS)}")
    return [setting for setting in SETTING_COLOURS if setting in named]


def _mark(setting: str) -> dict[str, object]:
    """Return colour and marker of a setting."""
    return {"color": SETTING_COLOURS[setting], "marker": SETTING_MARKERS[setting], **style.MARKER}


def _median_of_seeds(table: pd.DataFrame) -> pd.Series:
    """Return the median over the columns of those rows in which every one is finite."""
    return table[np.isfinite(table).all(axis=1)].median(axis=1)
