"""The picture of all printed numbers: a mark for each figure and each log, by study and verdict, that leads to its row."""

from collections.abc import Mapping
from dataclasses import dataclass

from gradlab.engine.ledger import Entry, Ledger, LogEntry, count_verdicts
from gradlab.engine.study import Study
from gradlab.engine.verdicts import VERDICTS
from gradlab.report.links import Links
from gradlab.report.overview import print_reproduced


@dataclass(frozen=True)
class Mark:
    """One figure, or one log with all of its numbers.

    Attributes
    ----------
    title
        What it is, published and ours, and the verdict in words.
    numbers
        How many printed numbers it stands for.
    address
        Its row in the ledger.
    """

    verdict: str
    title: str
    numbers: int
    address: str

    @property
    def is_log(self) -> bool:
        return self.numbers > 1


@dataclass(frozen=True)
class MarkedStudy:
    """The marks of one study, by verdict, and how many of its printed numbers have which."""

    study: Study
    marks: list[Mark]
    verdicts: dict[str, int]


def mark_numbers(ledger: Ledger, studies: Mapping[str, Study], links: Links) -> list[MarkedStudy]:
    """Return the marks of every study that has a published number, in the order of `studies`."""
    marked = []
    for name, study in studies.items():
        items = [item for item in ledger.judged if item.study == name]
        marks = [_mark(item, links) for item in sorted(items, key=lambda item: VERDICTS.index(item.verdict))]
        counts = count_verdicts([entry for entry in ledger.entries if entry.study == name])
        if marks:
            marked.append(MarkedStudy(study, marks, {verdict: count for verdict, count in counts.items() if count}))
    return marked


def _mark(item: Entry | LogEntry, links: Links) -> Mark:
    if isinstance(item, LogEntry):
        title = f"{item.claim}, {item.numbers} numbers: {item.verdict}"
        return Mark(item.verdict, title, item.numbers, links.row(item))
    title = f"{item.claim}: published {item.published}, ours {print_reproduced(item)[0]}: {item.verdict}"
    return Mark(item.verdict, title, 1, links.row(item))
