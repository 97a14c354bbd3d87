"""What the results say, and an error of what was published."""

from gradlab.engine.claims import Error, Finding
from gradlab.engine.material import Material


def _divergent_rate(material: Material) -> str | None:
    rates = material.metric("corrected/search-1", "1.divergent_rate")
    return None if rates is None else f"descent diverges at a rate of {max(rates):.3g}, whatever the start."


def _nearest(material: Material) -> str | None:
    nearest = material.metric("corrected/choice", "choice.nearest")
    return None if nearest is None else f"the start at {nearest:g} comes nearest to the minimum."


def _said_to_converge(material: Material) -> Finding | None:
    distance = material.metric("published/2.5", "2.5.distance")
    if distance is None or not material.as_published("2.5.distance", material.find("published/2.5")):
        return None
    return Finding(f"From 1, it ends {distance:.4g} away from the minimum.", "It diverges.", distance > 1)


CONCLUSIONS = {
    _divergent_rate: ("corrected/search-1",),
    _nearest: ("corrected/choice", "corrected/start-*"),
}

ERRATA = (
    Error(
        1,
        "T 2",
        "A descent said to converge",
        "Descent at a rate of 2.5 reaches the minimum.",
        ("published/2.5",),
        _said_to_converge,
    ),
)
