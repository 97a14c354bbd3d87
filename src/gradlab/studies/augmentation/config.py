"""The configuration of this study."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gradlab.lab.fields import Count, FashionImages, Passes, Range, Rate, RootSeed, Section, Seeds, Unique

_Copies = Annotated[Count, Field(le=1000)]


class Corrected(Section):
    """Runs in which every image has a transform of its own each time it is used; everything above applies as well."""

    trainings: Unique[Literal["clean", "augmented"]] = Field(
        ["clean", "augmented"],
        description="Images to train on: `clean` gives the settings none and test, `augmented` gives train and both.",
    )
    root_seed: RootSeed = 20210
    seeds: Seeds = Field(
        [0, 1, 2, 3, 4],
        description="A cell of every training for each; add a number, and nothing else runs again. Training subset, initial "
        "network, order of the images and transforms vary with it; all settings have the same seeds.",
    )
    copies: _Copies = Field(8, description="Copies of the test set among which the majority votes here.")
    evaluate_every: Passes = Field(
        50,
        description="Passes between two votes over copies of the test set; there is one after the last pass as well. The test "
        "images as they are are evaluated at these passes, and after each one whose weights are averaged.",
    )
    average_from: Annotated[float, Field(ge=0, le=0.99)] = Field(
        0.5,
        description="Share of the passes that a run took after which its weights are averaged, pass by pass: the last pass "
        "alone is noise. The averaged network is evaluated as well.",
    )


class Config(Section):
    """The section of the study in the configuration."""

    settings: Unique[Literal["none", "train", "test", "both"]] = Field(
        ["none", "train", "test", "both"], description="Where images are augmented, a cell each."
    )
    subset_size: FashionImages = 7200
    batch_size: Annotated[Count, Field(le=10_000)] = Field(
        16,
        description="Images in one update, drawn with replacement, no more than `subset_size`; 10,000 take about 2 GB.",
    )
    learning_rate: Rate = Field(0.04, description="Step size of stochastic gradient descent.")
    max_passes: Passes = Field(
        100, description="Passes after which training stops where the training accuracy has not reached 1."
    )
    copies: _Copies = Field(8, description="Augmented copies of the test set among which the majority votes.")
    crop_scale: Range[Annotated[float, Field(ge=0.01, le=1)]] = Field(
        [0.75, 1.0], description="Smallest and largest share of the image's area that a crop keeps."
    )
    crop_ratio: Range[Annotated[float, Field(ge=0.01, le=100)]] = Field(
        [0.75, 1.3333333333333333], description="Smallest and largest ratio of a crop's width to its height."
    )
    max_angle: float = Field(10.0, ge=0, le=180, description="Largest rotation either way, in degrees.")
    corrected: Corrected = Corrected()

    def find_conflicts(self) -> Iterator[str]:
        if self.batch_size > self.subset_size:
            yield (
                f"augmentation.batch_size = {self.batch_size}: expected at most the {self.subset_size} training images of "
                "augmentation.subset_size; take a smaller batch or more images"
            )
