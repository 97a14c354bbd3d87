"""Which cells there are: one for each function whose derivative autograd gets wrong, or only seems to.

Beyond the notebook, one cell sweeps torch's own functions at the points where they are not smooth.
"""

from functools import partial

from gradlab.engine.study import Cell
from gradlab.studies.autodiff.config import Config

_METRICS = {
    "jump": ["two_branches", "three_branches"],
    "power": ["plain", "branch"],
    "halving": [
        *("strict", "non_strict"),
        *(f"{what}_at_{x}" for what in ("slope", "jump") for x in (-1, 0, 1)),
        *("jumps", "jump_next_to_1", "zeros", "negative_values", "closed_form_mismatches"),
    ],
    "step": [
        "everywhere",
        "jump_size",
        *(f"{loss}_descent_{what}" for loss in ("accuracy", "logistic") for what in ("distance", "accuracy")),
    ],
}
_SWEEP_METRICS = ["points", "functions", "not_differentiable"] + [
    f"autograd_{what}" for what in ("is_nan", "is_infinite", "misses_derivative")
]
_cell = partial(Cell, study="autodiff", files=["answers.json"])


def cells(config: Config) -> list[Cell]:
    """Return the cells that a configuration asks for."""
    planned = [
        _cell(
            protocol="published",
            name=case,
            notebook="case",
            parameters={"case": case, "seed": config.seed},
            metrics=[f"{case}.{metric}" for metric in _METRICS[case]],
            figures=["function.svg", "detail.svg"],
        )
        for case in config.cases
    ]
    if config.torch_functions:
        planned.append(
            _cell(
                protocol="corrected",
                name="torch_functions",
                notebook="derivative_sweep",
                metrics=[f"torch_functions.{metric}" for metric in _SWEEP_METRICS],
                figures=["functions.svg"],
            )
        )
    return planned
