"""Plots as SVG inside a page, in which whatever has a name can be pointed at and read off; and the data of a plot as a table.

A *mark* is a line, a set of points, error bars or bars with a label of matplotlib's that does not begin with "_". In a page it
is an element that takes the focus and carries its name and its points; `templates/marks.js` shows them. Without scripts its
title says name and range. A plot's *panels* are its axes; their names are their labels or else their titles.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Transform

from gradlab.lab.svg import draw_svg, follow_scheme

_PIXELS_OF_A_POINT = 4 / 3  # CSS
_NAMESPACE = re.compile(r"^\{.*\}")
_REFERENCE = re.compile(r"^(?:url\()?#([^)]+)\)?$")

# Colours of lines that are too pale for letters on a white ground, and what letters have instead.
_LETTERS = {
    "#d55e00": "#b34e00",
    "#009e73": "#007a58",
    "#cc79a7": "#a34a7d",
    "#56b4e9": "#1d77ad",
    "#e69f00": "#8a6000",
}

# What plots inside a page need of its style sheet: the rules that a file brings along, for attributes instead of styles.
SCHEME = (
    "@media print, (prefers-color-scheme: light) {"
    + "".join(f'text[fill="{line}"]{{fill:{letters}}}' for line, letters in _LETTERS.items())
    + "}\n"
    + re.sub(
        r'\[style\*="(fill|stroke): (#\w+)"\]\{([^}]*)!important\}',
        r'[\1="\2"]{\3}',  # no rule with an ancestor reaches what is drawn by <use>
        follow_scheme("<style></style>")
        .removeprefix("<style>")
        .removesuffix("</style>")
        .replace("text{", ".marks text:not([fill]){"),
    )
)


@dataclass(frozen=True)
class Mark:
    """One thing in a plot that has a name.

    Attributes
    ----------
    values
        What it shows, shape (points, 2): x and y, in the units of the axes.
    drawn
        Where its points stand in the coordinates of `transform`, shape (points, 2); of a bar that is its end.
    parts
        What matplotlib draws it by.
    """

    axes: Axes
    name: str
    values: np.ndarray
    drawn: np.ndarray
    transform: Transform
    parts: Sequence[Artist]

    @cached_property
    def printed(self) -> tuple[list[str], list[str]]:
        """x and y of the points with four digits, or by the names that an axis gives to its places."""
        names = (_name_places(self.axes.xaxis, self.values[:, 0]), _name_places(self.axes.yaxis, self.values[:, 1]))
        x, y = (found or [_print(value) for value in self.values[:, side]] for side, found in enumerate(names))
        return x, y


def draw_plot(figure: Figure, *, title: str, alt: str) -> tuple[str, str, str]:
    """Return a plot as an SVG file, as SVG to stand in a page, and its data as CSV: panel, name, x, y.

    Parameters
    ----------
    figure
        The plot, in the project's style.
    title
        A short name.
    alt
        One or two sentences that say what the plot shows, for those who do not see it.
    """
    marks = [mark for axes in figure.axes for mark in _find_marks(axes)]
    for number, axes in enumerate(figure.axes):
        axes.set_gid(f"panel-{number}")
    for number, mark in enumerate(marks):
        for place, part in enumerate(mark.parts):
            part.set_gid(f"mark-{number}-{place}")
    with mpl.rc_context({"path.simplify": False}):  # what is drawn are the data, every point of them
        for line in (part for mark in marks for part in mark.parts if isinstance(part, Line2D)):
            line.recache_always()
        svg = draw_svg(figure, title=title, alt=alt)
    figure.dpi = 72  # so that the transforms give what the file counts in: points
    return svg, _inline(svg, figure, marks, alt), _tabulate(marks)


def _find_marks(axes: Axes) -> Iterator[Mark]:
    artists: list[Any] = [*axes.get_children(), *axes.containers]
    for artist in artists:
        name = artist.get_label()
        parts: Sequence[Artist]
        if not isinstance(name, str) or not name or name.startswith("_"):
            continue
        match artist:
            case Line2D():
                values = drawn = np.asarray(artist.get_xydata())
                transform, parts = artist.get_transform(), [artist]
            case PathCollection():
                values = drawn = np.asarray(artist.get_offsets())
                transform, parts = artist.get_offset_transform(), [artist]
            case LineCollection():
                values = drawn = np.concatenate(artist.get_segments())
                transform, parts = artist.get_transform(), [artist]
            case ErrorbarContainer():
                values = drawn = _list_ends(artist)
                transform, parts = artist.get_children()[-1].get_transform(), artist.get_children()
            case BarContainer() if len(artist):
                values, drawn = _list_bars(artist)
                transform, parts = axes.transData, list(artist)
            case _:
                continue
        finite = np.isfinite(values).all(axis=1)
        if finite.any():
            yield Mark(axes, name, values[finite], drawn[finite], transform, parts)


def _list_ends(container: ErrorbarContainer) -> np.ndarray:
    """Return the points of error bars and the ends of their bars, in the order of the places that they stand at."""
    line, _, bars = container.lines
    middle = [] if line is None else [np.asarray(line.get_xydata())]
    points = np.concatenate([*middle, *(segment for bar in bars for segment in bar.get_segments())])
    place, value = points.T if container.has_yerr else points.T[::-1]
    return points[np.lexsort((value, place))]


def _list_bars(container: BarContainer) -> tuple[np.ndarray, np.ndarray]:
    """Return place and length of bars, and where they end: the two differ where bars are stacked."""
    corner = np.array([bar.get_xy() for bar in container])
    size = np.array([(bar.get_width(), bar.get_height()) for bar in container])
    upright = np.array([False, True]) if container.orientation == "vertical" else np.array([True, False])
    middle = corner + size / 2
    return np.where(upright, size, middle), np.where(upright, corner + size, middle)


def _name_places(axis: Axis, values: np.ndarray) -> list[str]:
    """Return the name of the place next to each value, where an axis has names for its places; nothing where it has numbers."""
    locator = axis.get_major_locator()
    places = locator.tick_values(0, 0) if isinstance(locator, FixedLocator) else ()
    names = [axis.get_major_formatter()(place) for place in places]
    if all(name == f"{place:g}" for name, place in zip(names, places, strict=True)):
        return []
    return [" ".join(names[np.abs(places - value).argmin()].split()) for value in values]


def _print(value: float) -> str:
    if value == round(value) and abs(value) < 1e9:
        return str(round(value))
    return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _name_panel(axes: Axes) -> str:
    return " ".join(str(axes.get_label() or axes.get_title()).split())


def _tabulate(marks: Iterable[Mark]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["panel", "name", "x", "y"])
    for mark in marks:
        columns = [
            _name_places(axis, values) or [f"{value:.10g}" for value in values]
            for axis, values in zip((mark.axes.xaxis, mark.axes.yaxis), mark.values.T, strict=True)
        ]
        table.writerows((_name_panel(mark.axes), mark.name, x, y) for x, y in zip(*columns, strict=True))
    return text.getvalue()


def _inline(svg: str, figure: Figure, marks: Sequence[Mark], alt: str) -> str:
    """Return the SVG of a file for a page: without what files need, its styles as attributes, and with its marks."""
    root = ElementTree.fromstring(svg)
    _tidy(root)
    for name in ("title", "metadata"):
        for element in root.findall(name):
            root.remove(element)
    groups = {element.get("id"): element for element in root.iter("g")}
    parents = {child: parent for parent in root.iter() for child in parent}
    shown = False
    for number, mark in enumerate(marks):
        parts = [groups[name] for place in range(len(mark.parts)) if (name := f"mark-{number}-{place}") in groups]
        described = _describe(mark, figure)
        if not parts or not described:
            continue
        described["tabindex"] = "-1" if shown else "0"  # one stop for a plot: the arrows lead on from there
        shown = True
        element = ElementTree.Element("g", {"class": "mark", "role": "img"} | described)
        ElementTree.SubElement(element, "title").text = described["aria-label"]
        parent = parents[parts[0]]
        parent.insert(list(parent).index(parts[0]), element)
        for part in parts:
            parents[part].remove(part)
            element.append(part)
    for number, axes in enumerate(figure.axes):
        panel = groups[f"panel-{number}"]
        if panel.find(".//g[@class='mark']") is not None:
            panel.attrib |= {"class": "panel"} | _describe_panel(axes)
    _hide_rest(root)
    _unwrap(root)
    _rename(root, f"p{hashlib.sha256(svg.encode()).hexdigest()[:8]}-")
    width, height = (f"{_PIXELS_OF_A_POINT * side:.0f}" for side in (figure.bbox.width, figure.bbox.height))
    family = next((text.get("font-family") for text in root.iter("text")), None)
    for text in root.iter("text"):
        if text.get("font-family") == family:
            text.attrib.pop("font-family", None)
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "marks",
        "role": "group" if shown else "img",
        "aria-label": alt,
        "width": width,
        "height": height,
        "viewBox": root.get("viewBox", ""),
        "stroke-linejoin": "round",  # the rule for all elements in a file of matplotlib's
        **({"font-family": family} if family else {}),
    }
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(root: ElementTree.Element) -> None:
    """Take off namespaces, white space and digits that nobody sees, and turn styles, which a page refuses, into attributes."""
    for element in list(root.iter()):
        element.tag = _NAMESPACE.sub("", element.tag)
        attributes = {_NAMESPACE.sub("", name): value for name, value in element.attrib.items()}
        for rule in filter(None, attributes.pop("style", "").split(";")):
            name, _, value = rule.partition(":")
            attributes[name.strip()] = value.strip()
        for name in ("d", "x", "y", "width", "height"):
            if name in attributes:
                attributes[name] = _shorten(attributes[name])
        if attributes.get("transform", "").startswith("rotate"):
            attributes["transform"] = _shorten(attributes["transform"])
            if attributes["transform"].startswith(("rotate(0 ", "rotate(-0 ")):
                del attributes["transform"]
        if element.tag == "use":  # what it refers to has the same line
            attributes = {name: value for name, value in attributes.items() if not name.startswith("stroke")}
        element.attrib = attributes
        if element.tag not in ("text", "tspan"):
            element.text = None
        element.tail = None
    for element in root.iter():
        for child in list(element):
            if child.tag == "style":
                element.remove(child)
        uses = [child.attrib for child in element if child.tag == "use"]
        if len(uses) > 1 and len(uses) == len(element):
            shared = set.intersection(*(set(use.items()) for use in uses)) - {("href", uses[0]["href"])}
            shared = {(name, value) for name, value in shared if name not in ("x", "y")}
            element.attrib |= dict(sorted(shared))
            for use in uses:
                for name, _ in shared:
                    del use[name]


def _shorten(numbers: str) -> str:
    """Return a path, or a number, to a hundredth of a point and without spaces around its letters."""
    rounded = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), numbers)
    return re.sub(r"\s*([MLQCz])\s*", r"\1", rounded)


def _describe(mark: Mark, figure: Figure) -> dict[str, str]:
    """Return a mark's name and its points as attributes, as far as they lie inside its panel; nothing where none does."""
    places = mark.transform.transform(mark.drawn)  # (points, 2), from the lower left corner of the figure
    box = mark.axes.bbox.get_points()  # lower left, upper right
    seen = ((places >= box[0] - 0.5) & (places <= box[1] + 0.5)).all(axis=1)
    if not seen.any():
        return {}
    places[:, 1] = figure.bbox.height - places[:, 1]
    x, y = ([text for text, inside in zip(texts, seen, strict=True) if inside] for texts in mark.printed)
    first, last = (f"({x[place]}, {y[place]})" for place in (0, -1))
    words = first if len(x) == 1 else f"{len(x)} points, from {first} to {last}"
    return {
        "aria-label": f"{mark.name}: {words}",
        "data-name": mark.name,
        "data-x": "|".join(x),
        "data-y": "|".join(y),
        "data-at": " ".join(f"{left:.1f},{top:.1f}" for left, top in places[seen]),
    }


def _describe_panel(axes: Axes) -> dict[str, str]:
    x, y = axes.get_xlabel(), axes.get_ylabel()
    against = " against ".join(filter(None, (y, x)))
    label = ": ".join(filter(None, (_name_panel(axes), against)))
    return ({"role": "group", "aria-label": label} if label else {}) | {"data-x-label": x, "data-y-label": y}


def _hide_rest(element: ElementTree.Element) -> None:
    """Hide from screen readers what is no mark and holds none."""
    for child in element:
        if child.get("class") == "mark":
            continue
        if child.find(".//g[@class='mark']") is not None:
            _hide_rest(child)
        elif child.tag != "defs":
            child.set("aria-hidden", "true")


def _unwrap(element: ElementTree.Element) -> None:
    """Put what stands in groups that say nothing in their place."""
    kept: list[ElementTree.Element] = []
    for child in element:
        _unwrap(child)
        plain = child.tag in ("g", "defs") and not (set(child.attrib) - {"id"} or (child.tag == "defs" and len(child)))
        kept += list(child) if plain else [child]
    element[:] = kept


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Make the ids that something refers to unlike those of other plots, and remove the others."""
    referring = [
        (element, name, found[1])
        for element in root.iter()
        for name, value in element.attrib.items()
        if name in ("href", "clip-path", "fill") and (found := _REFERENCE.match(value))
    ]
    targets = {target for _, _, target in referring} & {element.get("id") for element in root.iter()}
    for element, name, target in referring:
        if target in targets:
            element.set(name, element.get(name, "").replace(f"#{target}", f"#{prefix}{target}"))
    for element in root.iter():
        if name := element.attrib.pop("id", ""):
            if name in targets:
                element.set("id", f"{prefix}{name}")
