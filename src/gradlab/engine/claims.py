"""What the results of a study say: conclusions in a sentence or two, and whether known errors of the notebook are borne out.

Both are made from the results, never taken for granted: other results give other sentences and other answers. A study's module
`claims` holds them:

`COMPARISONS`
    A mapping: what is compared, in words → a function that takes a `Material` and returns a `PairedComparison`, or None where
    its cells have not run. All that conclusions and errata rest on stand here: the comparisons of all studies are one family,
    and adjusted together; `Material.comparison` returns them so.
`CONCLUSIONS`
    A mapping: a function that takes a `Material` and returns a sentence, or None where its cells have not run → patterns of the
    cells (`corrected/final-*`) that the sentence comes from.
`HEADLINES`
    A mapping of the same kind: the one or two conclusions that the report opens with, each on a line.
`PRINCIPAL`
    Patterns of the ids of those published figures that the report shows beside its conclusions; without it the first few.
`ERRATA`
    A sequence of `Error`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gradlab.engine.material import Material
from gradlab.lab.stats import PairedComparison

VERDICTS = ("confirmed", "not confirmed", "undecided", "not run")
_WORDS = {True: "confirmed", False: "not confirmed", None: "undecided"}


@dataclass(frozen=True)
class Conclusion:
    """What the results say, in a sentence or two, the names of the complete cells that say it, and of what draws it."""

    text: str
    cells: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Finding:
    """What the cells say about one error: their evidence in words, what is right, and whether it bears the error out.

    `confirmed` is None where the evidence points neither way, or one way for one part and another way for the rest.
    """

    evidence: str
    right: str
    confirmed: bool | None


@dataclass(frozen=True)
class Error:
    """A known error of a notebook.

    Attributes
    ----------
    number
        Its number among the errata of all studies; parts of one error have the same. None for a trap, which is no error.
    source
        The notebook and section.
    title, claim
        The error in a few words; what the notebook says or does.
    cells
        Patterns of the cells that can tell.
    examine
        Asks them; None where they have not all run.
    """

    number: int | None
    source: str
    title: str
    claim: str
    cells: Sequence[str]
    examine: Callable[[Material], Finding | None]


@dataclass(frozen=True)
class Erratum:
    """A known error of a notebook, with what our cells show of it.

    Attributes
    ----------
    number, study, source, title, claim
        As in `Error`; the study's name.
    evidence
        What our cells show, with their figures.
    right
        What is right instead.
    verdict
        One of `VERDICTS`: whether the evidence bears the error out.
    cells
        The names of the cells that the evidence comes from.
    """

    number: int | None
    study: str
    source: str
    title: str
    claim: str
    evidence: str
    right: str
    verdict: str
    cells: tuple[str, ...]


def conclude(material: Material) -> list[Conclusion]:
    """Return the conclusions of a study; fewer where cells have not run."""
    return _answer(material, "CONCLUSIONS")


def find_headlines(material: Material) -> list[Conclusion]:
    """Return the conclusions of a study that the report opens with; fewer where cells have not run."""
    return _answer(material, "HEADLINES")


def _answer(material: Material, asked: str) -> list[Conclusion]:
    return [
        Conclusion(text[0].upper() + text[1:], material.names_done(patterns), find.__name__.lstrip("_"))
        for find, patterns in getattr(material.study.claims, asked, {}).items()
        if (text := find(material))
    ]


def print_effect(comparison: PairedComparison, *, digits: int = 4) -> str | None:
    """Return a mean difference with its interval and the number of seeds; None where there is no mean or no interval."""
    if comparison.mean is None or comparison.interval is None:
        return None
    mean, low, high = (f"{value:+.{digits}f}" for value in (comparison.mean, *comparison.interval))
    return f"{mean} [{low}, {high}], {comparison.n} seeds"


def find_errata(materials: Iterable[Material]) -> list[Erratum]:
    """Return the known errors of the studies that plan a cell, in the order of their numbers, and traps last."""
    errata = [
        _judge(error, material)
        for material in materials
        if material.results
        for error in getattr(material.study.claims, "ERRATA", ())
    ]
    return sorted(errata, key=lambda erratum: (erratum.number is None, erratum.number or 0))


def _judge(error: Error, material: Material) -> Erratum:
    found = error.examine(material)
    return Erratum(
        number=error.number,
        study=material.study.name,
        source=error.source,
        title=error.title,
        claim=error.claim,
        evidence=found.evidence
        if found
        else "The cells that would show it have not all run under the published settings.",
        right=found.right if found else "",
        verdict="not run" if found is None else _WORDS[found.confirmed],
        cells=material.names_done(error.cells),
    )
