"""The section of the configuration; with the defaults, the study is micrograd's demo."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gradlab.lab.fields import Count, Range, Rate, RootSeed, Section, Seed, Seeds, Unique

Noise = Annotated[float, Field(ge=0, le=10)]
Units = Annotated[Count, Field(le=1000)]


class Corrected(Section):
    """Training under several seeds, with held-out points; everything above but the seed and the noise applies as well."""

    noises: Annotated[Unique[Noise], Field(min_length=1)] = Field(
        [0.1, 0.2, 0.3], description="Standard deviations of the noise; a cell each, of all seeds."
    )
    root_seed: RootSeed = 20210
    seeds: Seeds = Field(
        list(range(10)), description="Training points, held-out points and initial weights vary with it."
    )
    held_out: int = Field(2000, ge=2, le=100_000, description="Points that are not trained on, drawn for every seed.")


class Config(Section):
    """A small perceptron on two moons."""

    points: int = Field(100, ge=2, le=10_000, description="Training points, half of them on each moon.")
    noise: Noise = Field(0.1, description="Standard deviation of the noise of both coordinates.")
    hidden: Annotated[list[Units], Field(max_length=10)] = Field(
        [16, 16], description="Units of each hidden layer, all of them ReLU."
    )
    steps: int = Field(100, ge=1, le=10_000, description="Steps of gradient descent, each on all training points.")
    learning_rates: Range[Rate] = Field(
        [0.1, 1.0],
        description="The learning rate falls linearly from the greater of the two, at step 0, to the smaller.",
    )
    penalty: float = Field(
        1e-4, ge=0, le=1000, description="Weight of the sum of squares of all parameters in the loss."
    )
    seed: Seed = Field(1337, description="Seed of the demo's two random streams: points and weights.")
    corrected: Corrected = Corrected()

    def find_conflicts(self) -> Iterator[str]:
        for key, count in (("points", self.points), ("corrected.held_out", self.corrected.held_out)):
            if count % 2:
                yield f"moons.{key}: an even number, for two moons of the same size; got {count}"
