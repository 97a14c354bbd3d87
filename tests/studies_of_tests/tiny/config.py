"""The configuration of this study."""

from pydantic import Field

from gradlab.lab.fields import Passes, Rate, Section, Seeds


class Config(Section):
    """Gradient descent on a parabola."""

    rates: list[Rate] = Field([0.5, 1.5, 2.5], description="Learning rates at which it descends, a cell each.")
    steps: Passes = Field(10, description="Steps of a descent.")
    curvatures: list[Rate] = Field([1.0, 2.0], description="Curvatures for which the divergent rate is searched.")
    width: Rate = Field(0.1, description="A bracket is narrow enough where divergent / stable is at most 1 + width.")
    starts: Seeds = Field([0, 1, 2], description="Numbers of the starts, a cell each.")
    pause: float = Field(
        0.0, ge=0, le=3600, description="Seconds that each cell waits, for tests that have to meet it."
    )
