"""What notebooks of this study leave behind, without pandas and matplotlib, which take longer to import than a cell does."""

import csv
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gradlab.files import atomic_path


def save_table(output: str, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write `<name>.csv`."""
    with (
        atomic_path(Path(output) / f"{name}.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def save_plot(output: str, name: str, values: Sequence[float], *, alt: str) -> None:
    """Write `<name>.svg`: a line through values, with `alt` as its description."""
    low, high = min(values), max(values)
    height = (high - low) or 1.0
    points = " ".join(
        f"{10 + 180 * index / max(1, len(values) - 1):.2f},{90 - 80 * (value - low) / height:.2f}"
        for index, value in enumerate(values)
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/" width="200pt" height="100pt" '
        f'viewBox="0 0 200 100"><metadata><dc:description>{html.escape(alt)}</dc:description></metadata>'
        f'<polyline points="{points}" fill="none" stroke="#0072b2"/></svg>\n'
    )
    with atomic_path(Path(output) / f"{name}.svg") as temporary:
        temporary.write_text(svg, encoding="utf-8")
