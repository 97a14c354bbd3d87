"""What the report shows of each study, made from the results alone; a module for each study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gradlab.engine.material import Material
from gradlab.report.blocks import Block, Text
from gradlab.report.conclusions import Conclusion, conclude
from gradlab.studies.augmentation.section import show_augmentation
from gradlab.studies.autodiff.section import show_autodiff
from gradlab.studies.batch_size.section import show_batch_size
from gradlab.studies.regularization.section import show_regularization


@dataclass(frozen=True)
class Section:
    """One study in the report: the conclusions, and what bears them out."""

    study: str
    conclusions: Sequence[Conclusion]
    blocks: Sequence[Block]


def build_sections(material: Material) -> list[Section]:
    """Return the section of every study of the plan, in the plan's order."""
    planned = dict.fromkeys(cell.study for cell in material.results.values())
    return [
        Section(study, conclude(study, material), _SHOW[study](material) or [Text("No cell of this study has run.")])
        for study in planned
    ]


_SHOW: Mapping[str, Callable[[Material], list[Block]]] = {
    "autodiff": show_autodiff,
    "augmentation": show_augmentation,
    "batch_size": show_batch_size,
    "regularization": show_regularization,
}
