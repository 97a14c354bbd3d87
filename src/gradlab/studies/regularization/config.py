"""The configuration of this study. `lambda` is the weight λ of the penalty."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gradlab.lab.fields import Count, OpenRange, Passes, Points, Range, Rate, RootSeed, Section, Seeds

# Runs train on images 0 to 9999, 5000 to 49999 and 1000 to 49999; each is a whole number of batches.
TRAINING_SIZES = (10_000, 45_000, 49_000)

Lambda = Annotated[float, Field(ge=0, le=1000, alias="lambda", description="Weight of the penalty.")]
Epochs = Annotated[Passes, Field(description="Passes over the training images.")]
Rise = Annotated[
    int,
    Field(
        ge=10,
        le=1_000_000,
        multiple_of=10,
        description="Updates in which the learning rate rises, and as many in which it falls; curves have ten points in each.",
    ),
]
Few = Annotated[Count, Field(le=100)]


class GradientCheck(Section):
    """Written-out gradients against centred differences."""

    images: Annotated[Count, Field(le=1000)] = Field(20, description="How many images; each takes 1.2 MB of memory.")
    lmbda: Lambda = 0.3
    step: float = Field(1e-5, ge=1e-12, le=1, description="Step of the centred differences.")


class Overfit(Section):
    """Training on a handful of images."""

    images: Few = Field(20, description="How many images: a multiple of `overfit.batch_size`.")
    epochs: Epochs = 200
    batch_size: Count = Field(10, description="Images in one update.")
    learning_rate: Rate = Field(0.001, description="The constant learning rate.")


class OneCycle(Section):
    """A run on the first batch of the training data."""

    lmbda: Lambda = 0.01
    n_s: Rise = 500
    epochs: Epochs = 10


class ThreeCycles(OneCycle):
    n_s: Rise = 800
    epochs: Epochs = 48


class Coarse(Section):
    """The coarse search for λ."""

    points: Points = Field(8, description="How many λ it tries, a cell each.")
    exponents: OpenRange[Annotated[float, Field(ge=-20, le=3)]] = Field(
        [-5.0, -1.0], description="Base-10 logarithms of the smallest and the largest λ."
    )
    n_s: Rise = 900
    epochs: Epochs = 8


class Fine(Section):
    """The fine search for λ."""

    points: Points = Field(10, description="How many λ it tries, a cell each.")
    n_s: Rise = 900
    epochs: Epochs = 12


class Final(Section):
    """The network with the best λ."""

    n_s: Rise = 500
    epochs: Epochs = 10


class Corrected(Section):
    """λ is chosen by the mean validation accuracy of several seeds."""

    root_seed: RootSeed = 20210
    seeds: Seeds = Field(
        [0, 1, 2, 3, 4],
        description="A cell of the final network, of each variant and of the check by overfitting for each. Initial weights and "
        "order of the images vary with it, and which images are mirrored.",
    )
    search_seeds: Seeds = Field(
        [0, 1, 2], description="Seeds under which every λ of the searches is trained, a cell for each."
    )
    fine_points: Points = Field(7, description="How many λ the fine search tries.")
    overfit_images: Few = Field(
        100, description="How many images the check by overfitting takes: a multiple of `overfit.batch_size`."
    )
    flip_probability: float = Field(
        0.5, ge=0, le=1, description="How often the variant with flips mirrors a training image."
    )


class Config(Section):
    """Settings of all runs, and those of the corrected ones."""

    gradient_check: GradientCheck = Field(
        GradientCheck(), description="Written-out gradients against centred differences."
    )
    overfit: Overfit = Field(
        Overfit(), description="Training on a handful of images, at a constant learning rate and without penalty."
    )
    batch_size: Count = Field(100, description="Images in one update of all other runs: a divisor of 1000.")
    learning_rate: Range[Rate] = Field(
        [1e-5, 0.1], description="Smallest and largest value of the cyclical learning rate."
    )
    one_cycle: OneCycle = Field(OneCycle(), description="A run on one batch of the training data.")
    three_cycles: ThreeCycles = Field(ThreeCycles(), description="Another run on it.")
    coarse: Coarse = Field(Coarse(), description="The coarse search, over powers of ten.")
    fine: Fine = Field(Fine(), description="The fine search, between the neighbours of the coarse search's best λ.")
    final: Final = Field(Final(), description="The network with the best λ.")
    corrected: Corrected = Field(
        Corrected(),
        description="λ is chosen by the mean validation accuracy of several seeds; the settings above apply as well.",
    )

    def find_conflicts(self) -> Iterator[str]:
        if any(count % self.batch_size for count in TRAINING_SIZES):
            yield (
                f"regularization.batch_size = {self.batch_size}: expected a divisor of {math.gcd(*TRAINING_SIZES)}, since every "
                f"training set ({', '.join(map(str, TRAINING_SIZES))} images) is a whole number of batches; 100 is as published"
            )
        size = self.overfit.batch_size
        for key, count in (
            ("overfit.images", self.overfit.images),
            ("corrected.overfit_images", self.corrected.overfit_images),
        ):
            if count % size:
                yield (
                    f"regularization.{key} = {count}: expected a multiple of regularization.overfit.batch_size, which is {size}: "
                    "these images are a whole number of batches; change one of the two"
                )
