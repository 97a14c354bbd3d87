"""The configuration of this study."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gradlab.lab.fields import BatchSizes, Count, FashionImages, Passes, RateOfSize, RootSeed, Section, Seeds

SEARCH_WINDOWS = 10  # into which a search for the divergent learning rate divides the updates of one pass
STACK_BYTES = 32e9  # what the seeds of a batch size, trained side by side in memory, may take
TEST_IMAGES, PIXELS = 10_000, 784  # of FashionMNIST


class Corrected(Section):
    """Training over several seeds, at the rates of `learning_rates` and at half of divergent rates that are found by a rule."""

    batch_sizes: BatchSizes = Field(
        [1, 2, 4, 8, 16],
        description="A search for the divergent rate, and a training at half of it, for each; a search needs a pass of ten "
        "updates or more.",
    )
    search_only: BatchSizes = Field(
        [32, 64, 128, 256],
        description="Batch sizes with a search and no training: how far the law reaches that fits those of `batch_sizes`.",
    )
    search_seeds: Seeds = Field(
        [0, 1, 2],
        description="Whose divergent rate is searched for; training takes half of the smallest at which the majority diverges.",
    )
    start: float = Field(
        0.1,
        ge=1e-6,
        le=1000,
        description="Learning rate that is tried first; it is doubled and halved 40 times at most.",
    )
    tolerance: float = Field(
        0.05,
        ge=1e-6,
        le=1,
        description="How far the smallest divergent rate may lie above the largest stable one, as a share of it.",
    )


class Config(Section):
    """The section of the study in the configuration."""

    learning_rates: RateOfSize = Field(
        {1: 0.005, 2: 0.01, 4: 0.025, 8: 0.05, 16: 0.075},
        description="Batch size: learning rate. For each a replay, with a trial pass at twice this rate, and a corrected "
        "training. As published, the rate is half of the divergent one. Add a line to add a batch size, up to `subset_size`.",
    )
    subset_size: FashionImages = 6000
    hidden: Annotated[Count, Field(le=10_000)] = Field(64, description="Hidden units.")
    passes: Passes = Field(50, description="Passes over the training images.")
    root_seed: RootSeed = 20210
    seeds: Seeds = Field(
        [0, 1, 2, 3, 4],
        description="A run of every corrected training for each. Training subset, initial weights and order of the images vary "
        "with it. The seeds of a training are trained as one stack in one cell, so another number runs these cells again.",
    )
    corrected: Corrected = Corrected()

    def find_conflicts(self) -> Iterator[str]:
        images = self.subset_size
        for size in self.learning_rates:
            if size > images:
                yield (
                    f"batch_size.learning_rates.{size}: a batch of {size} is larger than the {images} training images of "
                    "batch_size.subset_size; take a smaller batch or more images"
                )
        searched = [(key, size) for key in ("batch_sizes", "search_only") for size in getattr(self.corrected, key)]
        for key, size in searched:
            if round(images / size) < SEARCH_WINDOWS:
                yield (
                    f"batch_size.corrected.{key}: a pass of batches of {size} over the {images} training images of "
                    f"batch_size.subset_size has {round(images / size)} updates, and the search for the divergent learning "
                    f"rate needs at least {SEARCH_WINDOWS}; take a smaller batch or more images"
                )
        for key, seeds in (("seeds", self.seeds), ("corrected.search_seeds", self.corrected.search_seeds)):
            needed = len(seeds) * _bytes_per_seed(images, self.hidden)
            if needed > STACK_BYTES:
                yield (
                    f"batch_size.{key}: {len(seeds)} seeds side by side, of {images} images and {self.hidden} hidden units, "
                    f"need {needed / 1e9:.0f} GB of memory; expected at most {STACK_BYTES / 1e9:.0f} GB: take fewer seeds, a "
                    "smaller subset_size or fewer hidden units"
                )


def _bytes_per_seed(images: int, hidden: int) -> float:
    """Return about what one seed of a batch size takes: its images, the hidden units of all of them, four sets of weights."""
    return 4.0 * (PIXELS * (images + TEST_IMAGES) + hidden * (max(images, TEST_IMAGES) + 4 * PIXELS))
