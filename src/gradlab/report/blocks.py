"""The blocks of which a section of the report is made; the template knows each by its kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gradlab.engine.results import CellResult
from gradlab.lab.svg import describe_svg
from gradlab.report.svg import draw_plot

_PIXELS_OF_A_POINT = 4 / 3  # CSS


@dataclass(frozen=True)
class Heading:
    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph, and the names of the cells that its numbers come from."""

    text: str
    cells: Sequence[str] = ()
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Cited:
    """A value, and the names of the cells that it comes from."""

    value: Any
    cells: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; what is `Cited` in its rows is linked to the cells it comes from."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, which says itself what it shows.

    Attributes
    ----------
    name
        Its name in the report, unlike that of any other picture of the section.
    file
        The file, where a cell has saved it; None for a figure of the report's own.
    cells
        The names of the cells that it comes from.
    inline, data
        Of a figure of the report's own: SVG to stand in a page, whose marks can be read off, and its data as CSV.
    finding
        A sentence that says what it shows; an empty one where the caption is all.
    """

    name: str
    svg: str
    caption: str
    file: Path | None = None
    cells: Sequence[str] = ()
    inline: str = ""
    data: str = ""
    finding: str = ""
    kind: ClassVar[str] = "picture"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who do not see it."""
        return describe_svg(self.svg)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) where the file gives none in points."""
        found = re.search(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', self.svg)
        width, height = (round(_PIXELS_OF_A_POINT * float(length)) for length in (found.groups() if found else (0, 0)))
        return width, height


@dataclass(frozen=True)
class Gallery:
    pictures: Sequence[Picture]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Answers:
    answers: Sequence[Mapping[str, str]]
    kind: ClassVar[str] = "answers"


Block = Heading | Text | Table | Picture | Gallery | Answers


def cite(value: Any, *cells: CellResult) -> Cited | None:
    """Return a value with the cells that it comes from; None where there is no value."""
    return None if value is None else Cited(value, [cell.name for cell in cells])


def show_figure(cell: CellResult, name: str, caption: str) -> Picture:
    """Return a figure that a cell saved under `name`."""
    file = cell.directory / f"{name}.svg"
    return Picture(f"{cell.protocol}-{cell.cell}-{name}", file.read_text(encoding="utf-8"), caption, file, [cell.name])


def draw(figure: Figure, name: str, *, alt: str, caption: str, finding: str = "", cells: Sequence[str] = ()) -> Picture:
    """Return a figure of the report's own, and close it; what has a label in it can be read off (`gradlab.report.svg`)."""
    svg, inline, data = draw_plot(figure, title=name, alt=alt)
    plt.close(figure)
    return Picture(name, svg, caption, cells=cells, inline=inline, data=data, finding=finding)
