"""The section of each study in the report: the study's own where it has one, else one that suits any study."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gradlab.engine.claims import Conclusion, conclude
from gradlab.engine.material import Material
from gradlab.engine.study import Study
from gradlab.report.blocks import Block, Cited, Gallery, Heading, Table, Text, show_figure
from gradlab.report.overview import print_corrected, print_reproduced


@dataclass(frozen=True)
class Section:
    """One study in the report: the conclusions, and what bears them out."""

    study: Study
    conclusions: Sequence[Conclusion]
    blocks: Sequence[Block]


def build_sections(materials: Iterable[Material]) -> list[Section]:
    """Return the section of every study, in their order."""
    return [
        Section(
            material.study,
            conclude(material),
            (material.study.section or show)(material) or [Text("No cell of this study has run.")],
        )
        for material in materials
    ]


def show(material: Material) -> list[Block]:
    """Return what can be shown of any study: its figures with their verdicts, and the plots of its cells."""
    blocks: list[Block] = []
    done = [cell for cell in material.results.values() if cell.status == "done"]
    if done and material.entries:
        rows = [
            [
                entry.claim,
                entry.published,
                Cited(print_reproduced(entry)[0], entry.cells),
                " ".join(filter(None, print_corrected(entry))),
                entry.verdict,
            ]
            for entry in material.entries
        ]
        header = ["Figure", "Published", "Ours", "Corrected", "Verdict"]
        blocks.append(Table("Published figures beside ours.", header, rows))
    for cell in done:
        if plots := [name.removesuffix(".svg") for name in cell.planned.figures]:
            pictures = [show_figure(cell, name, f"{cell.cell}: {name.replace('_', ' ')}") for name in plots]
            blocks += [
                Heading(f"{cell.cell}, {cell.protocol}"),
                Gallery(pictures) if len(pictures) > 1 else pictures[0],
            ]
    return blocks
