"""The configuration of this study."""

from typing import Literal

from pydantic import Field

from gradlab.lab.fields import Section, Seed, Unique


class Config(Section):
    """The section of the study in the configuration."""

    cases: Unique[Literal["jump", "power", "halving", "step"]] = Field(
        ["jump", "power", "halving", "step"], description="The cases to run, a cell each."
    )
    seed: Seed = Field(0, description="Seed of the synthetic data on which `step` trains.")
    torch_functions: bool = Field(
        True, description="Whether to sweep torch's own functions where they are not smooth, in one more cell."
    )
