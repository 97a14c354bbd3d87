"""The blocks of which a section of the report is made; the template knows each by its kind."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gradlab.results import CellResult
from gradlab.svg import describe_svg


@dataclass(frozen=True)
class Heading:
    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Table:
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """An SVG file as a data URI, with the text that stands in for it."""

    source: str
    alt: str
    caption: str
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Gallery:
    pictures: Sequence[Picture]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Answers:
    answers: Sequence[Mapping[str, str]]
    kind: ClassVar[str] = "answers"


Block = Heading | Text | Table | Picture | Gallery | Answers


def embed_svg(svg: bytes, *, alt: str, caption: str) -> Picture:
    """Return an SVG file as a picture that needs no other file."""
    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}", alt, caption)


def show_figure(cell: CellResult, name: str, caption: str) -> Picture:
    """Return a figure that a cell saved under `name`, with the description it was saved with."""
    svg = (cell.directory / f"{name}.svg").read_bytes()
    return embed_svg(svg, alt=describe_svg(svg.decode("utf-8")), caption=caption)


def draw(figure: Figure, *, alt: str, caption: str) -> Picture:
    """Return a figure of the report's own, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return embed_svg(buffer.getvalue(), alt=alt, caption=caption)
