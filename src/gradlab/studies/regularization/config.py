"""The configuration of this study."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gradlab.lab.fields import Count, OpenRange, Passes, Points, Range, Rate, RootSeed, Section, Seeds

# Runs train on images 0 to 9999, 5000 to 49999 and 1000 to 49999; each is a whole number of batches.
TRAINING_SIZES = (10_000, 45_000, 49_000)

Lambda = Annotated[float, Field(ge=0, le=1000, alias="lambda", description="Weight λ of the penalty.")]
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
Grid = Annotated[Points, Field(description="How many λ are tried.")]
Few = Annotated[Count, Field(le=100, description="How many images: a multiple of `overfit.batch_size`.")]


class GradientCheck(Section):
    """Written-out gradients against centred differences."""

    images: Annotated[Count, Field(le=1000, description="How many images; each takes 1.2 MB of memory.")] = 20
    lmbda: Lambda = 0.3
    step: float = Field(1e-5, ge=1e-12, le=1, description="Step of the centred differences.")


class Overfit(Section):
    """Training on a handful of images, at a constant learning rate and without penalty."""

    images: Few = 20
    epochs: Epochs = 200
    batch_size: Count = Field(10, description="Images in one update.")
    learning_rate: Rate = Field(0.001, description="The constant learning rate.")


class OneCycle(Section):
    """A run on one batch of the training data, of one cycle of the learning rate."""

    lmbda: Lambda = 0.01
    n_s: Rise = 500
    epochs: Epochs = 10


class ThreeCycles(OneCycle):
    """Another, of three cycles."""

    n_s: Rise = 800
    epochs: Epochs = 48


class Coarse(Section):
    """The coarse search for λ, over powers of ten; a cell for each."""

    points: Grid = 8
    exponents: OpenRange[Annotated[float, Field(ge=-20, le=3)]] = Field(
        [-5.0, -1.0], description="Base-10 logarithms of the smallest and the largest λ."
    )
    n_s: Rise = 900
    epochs: Epochs = 8


class Fine(Section):
    """The fine search, between the neighbours of the coarse search's best λ; a cell for each."""

    points: Grid = 10
    n_s: Rise = 900
    epochs: Epochs = 12


class Final(Section):
    """The network with the best λ."""

    n_s: Rise = 500
    epochs: Epochs = 10


class Corrected(Section):
    """Runs in which λ is chosen by the mean validation accuracy of several seeds; the settings above apply as well."""

    root_seed: RootSeed = 20210
    seeds: Seeds = Field(
        [0, 1, 2, 3, 4],
        description="A cell of the final network with either λ, of each variant and of the check by overfitting for each. "
        "Initial weights, order of the images and which are mirrored vary with it.",
    )
    search_seeds: Seeds = Field([0, 1, 2], description="A cell for each, with every λ of the searches.")
    fine_points: Grid = 7
    overfit_images: Few = 100
    flip_probability: float = Field(0.5, ge=0, le=1, description="How often the variant with flips mirrors an image.")


class Config(Section):
    """The section of the study in the configuration."""

    gradient_check: GradientCheck = GradientCheck()
    overfit: Overfit = Overfit()
    batch_size: Count = Field(100, description="Images in one update of all other runs: a divisor of 1000.")
    learning_rate: Range[Rate] = Field(
        [1e-5, 0.1], description="The least and the greatest of the cyclical learning rate."
    )
    one_cycle: OneCycle = OneCycle()
    three_cycles: ThreeCycles = ThreeCycles()
    coarse: Coarse = Coarse()
    fine: Fine = Fine()
    final: Final = Final()
    corrected: Corrected = Corrected()

    def find_conflicts(self) -> Iterator[str]:
        if any(count % self.batch_size for count in TRAINING_SIZES):
            yield (
                f"regularization.batch_size = {self.batch_size}: expected a divisor of {math.gcd(*TRAINING_SIZES)}, since "
                f"every training set ({', '.join(map(str, TRAINING_SIZES))} images) is a whole number of batches; 100 is as "
                "published"
            )
        size = self.overfit.batch_size
        checks = {"overfit.images": self.overfit.images, "corrected.overfit_images": self.corrected.overfit_images}
        for key, count in checks.items():
            if count % size:
                yield (
                    f"regularization.{key} = {count}: expected a multiple of regularization.overfit.batch_size, which is "
                    f"{size}: these images are a whole number of batches; change one of the two"
                )
