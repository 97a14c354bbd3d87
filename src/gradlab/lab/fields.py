"""What studies make their section of the configuration of. Nothing heavy is imported: the workflow does so at every start.

Upper bounds are far beyond any sensible study: what exceeds them was mistyped, and would exhaust the memory, or never end.
"""

from collections.abc import Iterator
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

T = TypeVar("T")


class Section(BaseModel):
    """A block of the configuration; its docstring describes it to users. It converts nothing: 16.0 is no whole number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def find_conflicts(self) -> Iterator[str]:
        """Say which values, each of them allowed, cannot go together: a line for each, which begins with a key's whole path."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        if conflicts := list(self.find_conflicts()):
            raise ValueError(*conflicts)
        return self


def expected(what: str) -> PydanticCustomError:
    """Return the error of a field's own check, which says what was expected."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def _once(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise expected("every value once")
    return values


def _ascending(values: list[float]) -> list[float]:
    if values != sorted(values):
        raise expected("the smaller number first")
    return values


def _increasing(values: list[float]) -> list[float]:
    if len(set(_ascending(values))) < len(values):
        raise expected("two different numbers")
    return values


def _read_size(key: object) -> object:
    """Return a batch size that is a key as a number: in JSON, and in --config, keys are text."""
    size = int(key) if isinstance(key, str) and key.isdecimal() and key.isascii() and len(key) <= 5 else key
    if type(size) is not int or size < 1 or str(size) != str(key):
        raise expected("a batch size, a whole number of at least 1")
    return size


Unique = Annotated[list[T], AfterValidator(_once)]
Range = Annotated[list[T], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
OpenRange = Annotated[list[T], Field(min_length=2, max_length=2), AfterValidator(_increasing)]

Count = Annotated[int, Field(ge=1)]
Passes = Annotated[int, Field(ge=1, le=100_000)]
Points = Annotated[int, Field(ge=2, le=200)]
Rate = Annotated[float, Field(gt=0, le=1000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Seeds = Annotated[Unique[Seed], Field(min_length=1, max_length=10_000)]
RootSeed = Annotated[Seed, Field(description="Root of the random streams of all seeds.")]
BatchSizes = Annotated[Unique[Count], Field(max_length=1000)]
RateOfSize = Annotated[dict[Annotated[int, BeforeValidator(_read_size)], Rate], Field(max_length=1000)]
FashionImages = Annotated[int, Field(ge=2, le=60_000, description="Training images, out of 60,000.")]
