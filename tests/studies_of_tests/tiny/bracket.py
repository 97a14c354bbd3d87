"""The search for the rate at which descent diverges, which is 2 / curvature, whatever the start."""

from studies_of_tests.tiny.parabola import descend


def find_divergent_rate(curvature: float, *, start: float, first: float, width: float, steps: int) -> list[float]:
    """Return the largest rate that was stable, and the smallest that was not.

    Parameters
    ----------
    curvature, start, steps
        Of the descent; it diverges where it ends no nearer to the minimum than it began.
    first
        A rate that is stable; it is doubled until one is not.
    width
        The two are narrowed until their ratio is at most 1 + width.
    """

    def diverges(rate: float) -> bool:
        path = descend(curvature, rate, start=start, steps=steps)
        return bool(abs(path[-1]) >= abs(path[0]))

    stable, divergent = first, 2 * first
    while not diverges(divergent):
        stable, divergent = divergent, 2 * divergent
    while divergent > (1 + width) * stable:
        middle = (stable * divergent) ** 0.5
        stable, divergent = (stable, middle) if diverges(middle) else (middle, divergent)
    return [stable, divergent]
