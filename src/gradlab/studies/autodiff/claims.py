"""What the results of the edge cases say, and what they show of the notebook's error (F §1)."""

from collections.abc import Sequence

from gradlab.engine.claims import Error, Finding
from gradlab.engine.material import Material


def _writing_matters(material: Material) -> str | None:
    pairs = {
        "jump": ("jump.two_branches", "jump.three_branches"),
        "power": ("power.plain", "power.branch"),
    }
    parts, depends = [], False
    for case, metrics in pairs.items():
        one, other = (material.metric(f"published/{case}", metric) for metric in metrics)
        if one is not None and other is not None:
            depends |= one != other
            parts.append(f"{one:g} and {other:g} for {case}")
    if not parts:
        return None
    if depends:
        return (
            f"What autograd returns depends on how a function is written: two ways of writing the same values give "
            f"{', '.join(parts)}. It differentiates the operations that ran, not the function."
        )
    return f"Two ways of writing the same function give the same value ({', '.join(parts)})."


def _torch_functions(material: Material) -> str | None:
    cell = material.done("corrected").get("torch_functions")
    if cell is None:
        return None
    count = {name.removeprefix("torch_functions."): value for name, value in cell.metrics.items()}
    return (
        f"Of {count['points']} points at which {count['functions']} of torch's own functions are not smooth, or look it, "
        f"{count['not_differentiable']} have no derivative, which autograd does not tell: it returns NaN at "
        f"{count['autograd_is_nan']} points, an infinity at {count['autograd_is_infinite']} and a finite number at all others. "
        f"At {count['autograd_misses_derivative']} points it misses a derivative that exists."
    )


def _step_does_not_train(material: Material) -> str | None:
    cell = material.done().get("step")
    if cell is None:
        return None
    moved, smooth = (cell.metrics[f"step.{loss}_descent_distance"] for loss in ("accuracy", "logistic"))
    start, end = (cell.metrics[f"step.{loss}_descent_accuracy"] for loss in ("accuracy", "logistic"))
    if moved == 0 and smooth > 0:
        return (
            f"Gradient descent on the accuracy itself moves no parameter (accuracy stays at {start:.2f}); on the "
            f"logistic loss, from the same start, it reaches {end:.2f}."
        )
    return (
        f"Gradient descent on the accuracy moves the parameters by {moved:.3g}, on the logistic loss by {smooth:.3g}."
    )


def _discontinuities(material: Material) -> Finding | None:
    cell = material.done().get("halving")
    if cell is None:
        return None
    found = {name.removeprefix("halving."): value for name, value in cell.metrics.items()}
    slopes, jumps = ([found[f"{what}_at_{x}"] for x in (-1, 0, 1)] for what in ("slope", "jump"))
    smooth = all(jump == 0 for jump in jumps)
    where = "at −1, 0 and 1 it has none" if smooth else f"at −1, 0 and 1 the jumps are {_list(jumps)}"
    return Finding(
        f"ψ jumps at {found['jumps']} points ±2^k·1e-6, the one next to 1 being {found['jump_next_to_1']:.7g}; {where}, and "
        f"the slopes there are {_list(slopes)}. Of the float32 numbers but 0 on which the loop was run it sends "
        f"{found['zeros'] or 'none'} to 0, and {found['negative_values']} to negative values. The closed form below differs "
        f"from the loop at {found['closed_form_mismatches']} of them.",
        "ψ(x) = x·2^(−k(x)) with k(x) the least k ≥ 0 for which |x|·2^(−k) < 1e-6: continuous but at |x| = 2^k·1e-6, with "
        "slope 2⁻²⁰ ≈ 9.54e-7 at ±1 and slope 1 at 0.",
        smooth
        and found["jumps"] > 0
        and found["zeros"] == found["closed_form_mismatches"] == 0
        and found["negative_values"] > 0,
    )


def _list(numbers: Sequence[float]) -> str:
    *first, last = (f"{number:.3g}" for number in numbers)
    return f"{', '.join(first)} and {last}"


def _code_not_function(material: Material) -> str | None:
    slopes = [material.metric("published/jump", f"jump.{branches}_branches") for branches in ("two", "three")]
    if None in slopes:
        return None
    if slopes[0] == slopes[1]:
        return f"Autograd gives the derivative {slopes[0]:g} at 0, whichever way the jump is written."
    return (
        f"Autograd differentiates the code, not the function: {slopes[0]:g} or {slopes[1]:g} at the same point of the same "
        "function."
    )


HEADLINES = {_code_not_function: ("published/jump",)}

# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _writing_matters: ("published/jump", "published/power"),
    _torch_functions: ("corrected/torch_functions",),
    _step_does_not_train: ("published/step",),
}

ERRATA = (
    Error(
        3,
        "F 1.3",
        "Discontinuities that are not there, and a wrong closed form",
        "ψ, the halving loop, has discontinuities at points such as x = ±1, and a jump at 0; its closed form is 0 where the "
        "loop ends, and leaves out negative x. (Of the step φ, F 1.4 says that it is continuous with the exception of x = 0: "
        "loose words, not an error.)",
        ("published/halving",),
        _discontinuities,
    ),
)
