"""What the report shows of each study, made from the results alone; a module for each study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradlab.blocks import Block, Text
from gradlab.conclusions import conclude
from gradlab.material import Material
from gradlab.sections.augmentation import show_augmentation
from gradlab.sections.autodiff import show_autodiff
from gradlab.sections.batch_size import show_batch_size
from gradlab.sections.regularization import show_regularization


@dataclass(frozen=True)
class Section:
    """One study in the report: its question, the conclusions, and what bears them out."""

    study: str
    title: str
    question: str
    conclusions: Sequence[str]
    blocks: Sequence[Block]


def build_sections(material: Material) -> list[Section]:
    """Return the section of every study of the plan, in the plan's order."""
    planned = dict.fromkeys(cell.study for cell in material.results.values())
    return [_build_section(study, material) for study in planned]


def _build_section(study: str, material: Material) -> Section:
    title, question, show = _STUDIES[study]
    blocks = show(material) or [Text("No cell of this study has run.")]
    return Section(study, title, question, conclude(study, material), blocks)


_STUDIES: dict[str, tuple[str, str, Callable[[Material], list[Block]]]] = {
    "autodiff": (
        "Edge cases of automatic differentiation",
        "Is what autograd returns the derivative, where a function jumps, is written with branches, or is made by a loop?",
        show_autodiff,
    ),
    "augmentation": (
        "Data augmentation on FashionMNIST",
        "Does augmentation of training images, test images or both change the test accuracy of a small convolutional network?",
        show_augmentation,
    ),
    "batch_size": (
        "Batch size on FashionMNIST",
        "How do the batch size, and half of its divergent learning rate, change the way to zero training error?",
        show_batch_size,
    ),
    "regularization": (
        "A two-layer network on CIFAR-10",
        "Which penalty λ gives the best validation accuracy, and what does the final network reach on test images?",
        show_regularization,
    ),
}
