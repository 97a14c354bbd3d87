"""What the results of the edge cases say, and what they show of the notebook's error (F §1)."""

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


def _discontinuous_step(material: Material) -> Finding | None:
    step, halving = (material.done().get(case) for case in ("step", "halving"))
    if step is None or halving is None:
        return None
    jump, mismatches = step.metrics["step.jump_size"], halving.metrics["halving.closed_form_mismatches"]
    return Finding(
        f"φ jumps by {jump:g} at 0, by its one-sided limits. The loop that computes ψ, and the closed form below, "
        f"differ at {mismatches} of the float32 numbers on which they were compared, negative ones among them.",
        "φ is continuous everywhere but at 0, where it is right-continuous. ψ(x) = x·2^(−k(x)) with k(x) the least k ≥ "
        "0 for which |x|·2^(−k) < 1e-6.",
        jump != 0 and mismatches == 0,
    )


# What is asked of the results, with the cells (as patterns) that the answer comes from.
CONCLUSIONS = {
    _writing_matters: ("published/jump", "published/power"),
    _torch_functions: ("corrected/torch_functions",),
    _step_does_not_train: ("published/step",),
}

ERRATA = (
    Error(
        3,
        "F 1.3, 1.4",
        "A step called continuous, and a wrong closed form",
        "φ, which is 1 for x ≥ 0 and 0 otherwise, is continuous. ψ, the halving loop, is 0 where the loop ends; "
        "negative x are left out.",
        ("published/step", "published/halving"),
        _discontinuous_step,
    ),
)
