"""The edge cases of automatic differentiation in the report."""

from gradlab.engine.material import Material
from gradlab.report.blocks import Answers, Block, Gallery, Heading, show_figure


def show(material: Material) -> list[Block]:
    """Return figures and answers of every case, and of the sweep over torch's own functions."""
    blocks: list[Block] = []
    for name, cell in material.done().items():
        blocks += [
            Heading(name.capitalize()),
            Gallery(
                [
                    show_figure(cell, "function", "The function, and the derivative that autograd returns."),
                    show_figure(cell, "detail", "The evidence at close range."),
                ]
            ),
            Answers(cell.answers),
        ]
    if sweep := material.done("corrected").get("torch_functions"):
        blocks += [
            Heading("Beyond the notebook: torch's own functions"),
            show_figure(
                sweep, "functions", "Functions of torch where they are not smooth, and the slope that autograd returns."
            ),
            Answers(sweep.answers),
        ]
    return blocks
