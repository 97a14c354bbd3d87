"""The section of each study in the report: the study's own where it has one, else one that suits any study."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from gradlab.engine.claims import Conclusion, conclude, find_headlines
from gradlab.engine.ledger import Entry
from gradlab.engine.material import Material
from gradlab.engine.results import CellResult, collect_runs, is_number
from gradlab.engine.study import Study
from gradlab.lab.stats import summarise_arm
from gradlab.report.blocks import Answers, Block, Cited, Gallery, Heading, Picture, Table, Text, show_figure
from gradlab.report.families import group_families, label_family
from gradlab.report.overview import SYMBOLS, print_corrected, print_mean, print_reproduced

_SHOWN = 8  # published figures beside the conclusions of a study that does not choose


@dataclass(frozen=True)
class Section:
    """One study in the report.

    Attributes
    ----------
    headlines, conclusions
        What the results say: in a line for the first screen, and in full.
    lead
        The plots that stand beside the conclusions: those that say a finding, or else the first one, under the first headline.
    principal
        The published figures that stand there.
    blocks
        All that bears the conclusions out, the plots of `lead` included: what the page of the study shows.
    """

    study: Study
    headlines: Sequence[Conclusion]
    conclusions: Sequence[Conclusion]
    lead: Sequence[Picture]
    principal: Sequence[Entry]
    blocks: Sequence[Block]

    @property
    def pictures(self) -> list[Picture]:
        """All plots."""
        return _list_pictures(self.blocks)


def build_sections(materials: Iterable[Material]) -> list[Section]:
    """Return the section of every study, in their order."""
    return [_build_section(material) for material in materials]


def _build_section(material: Material) -> Section:
    blocks = _show_study(material)
    pictures, headlines = _list_pictures(blocks), find_headlines(material)
    first = [replace(picture, finding=headlines[0].text if headlines else "") for picture in pictures[:1]]
    return Section(
        material.study,
        headlines,
        conclude(material),
        [picture for picture in pictures if picture.finding] or first,
        _choose_principal(material),
        blocks,
    )


def _choose_principal(material: Material) -> Sequence[Entry]:
    patterns = getattr(material.study.claims, "PRINCIPAL", None)
    if patterns is None:
        return material.entries[:_SHOWN]
    return [entry for entry in material.entries if any(fnmatchcase(entry.id, pattern) for pattern in patterns)]


def _list_pictures(blocks: Iterable[Block]) -> list[Picture]:
    groups = (block.pictures if isinstance(block, Gallery) else [block] for block in blocks)
    return [picture for group in groups for picture in group if isinstance(picture, Picture)]


def _show_study(material: Material) -> list[Block]:
    blocks = (material.study.section or show)(material)
    return blocks if blocks or _list_done(material) else [Text("No cell of this study has run.")]


def show(material: Material) -> list[Block]:
    """Return what can be shown of any study: figures with their verdicts, other metrics, plots and answers of its cells."""
    done = _list_done(material)
    return [*_show_figures(material), *_show_metrics(material, done), *_show_cells(done)] if done else []


def _list_done(material: Material) -> list[CellResult]:
    return [cell for cell in material.results.values() if cell.status == "done"]


def _show_figures(material: Material) -> list[Block]:
    """Return a table of the published figures; with the corrected runs, where any measure one."""
    if not material.entries:
        return []
    header = ["Figure", "Published", "Ours", "Verdict"]
    rows = [
        [
            entry.claim,
            entry.published,
            Cited(_enclose(*print_reproduced(entry)), entry.cells),
            f"{SYMBOLS[entry.verdict]} {entry.verdict}",
        ]
        for entry in material.entries
    ]
    if any(entry.corrected_n is not None for entry in material.entries):
        header.append("Corrected")
        for row, entry in zip(rows, material.entries, strict=True):
            cells = [cell.name for cell in material.corrected(entry.id)]
            row.append(Cited(_enclose(*print_corrected(entry)), cells))
    return [Table("The published figures beside ours.", header, rows)]


def _show_metrics(material: Material, done: Sequence[CellResult]) -> list[Block]:
    """Return a table of the numbers that cells declare as metrics, and that are no published figures."""
    shown = {entry.id for entry in material.entries}
    rows = []
    for label, cells in _group_repeats(done):
        for metric in dict.fromkeys(name for cell in cells for name in cell.planned.metrics if name not in shown):
            measuring = [cell for cell in cells if metric in cell.planned.metrics]
            if all(is_number(cell, metric) for cell in measuring):
                arm = summarise_arm(list(collect_runs(measuring, metric).values()))
                value = _enclose(*print_mean(arm.n, arm.missing, arm.mean, arm.mean_interval))
                rows.append([metric, label, Cited(value, [cell.name for cell in measuring])])
    caption = "What else was measured; over several seeds, the mean with its 95 % interval."
    return [Table(caption, ["Metric", "Cell", "Ours"], rows)] if rows else []


def _show_cells(done: Sequence[CellResult]) -> list[Block]:
    """Return plots and answers of cells; of those that are one experiment under several seeds, of the first."""
    blocks: list[Block] = []
    for label, (cell, *_) in _group_repeats(done):
        plots = [plot.removesuffix(".svg") for plot in cell.planned.figures]
        pictures = [show_figure(cell, plot, f"{cell.cell}: {plot.replace('_', ' ')}.") for plot in plots]
        shown: list[Block] = [Gallery(pictures)] if len(pictures) > 1 else [*pictures]
        shown += [Answers(cell.answers)] if cell.answers else []
        blocks += [Heading(label), *shown] if shown else []
    return blocks


def _group_repeats(done: Sequence[CellResult]) -> list[tuple[str, list[CellResult]]]:
    """Return cells with what to call them: those that are one experiment under several seeds together, any other alone."""
    groups: list[list[CellResult]] = []
    for members in group_families(done).values():
        seeds = [cell.planned.replicates for cell in members]
        repeated = all(len(own) == 1 for own in seeds) and len({own[0] for own in seeds}) == len(members)
        groups += [members] if repeated else [[cell] for cell in members]
    return [(f"{label_family(cells)}, {cells[0].protocol}", cells) for cells in groups]


def _enclose(value: str, detail: str) -> str:
    return f"{value} ({detail})" if detail else value
