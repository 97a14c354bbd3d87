"""What of the results stands under another rounding context, as the report shows it."""

import re
from collections.abc import Mapping

from gradlab.engine.ledger import Ledger
from gradlab.engine.results import CellResult
from gradlab.engine.robustness import Robustness, count_standing, print_side, stand
from gradlab.engine.study import Study
from gradlab.report.blocks import Cited, Table
from gradlab.report.text import print_figure

_SHOWN = 10  # figures that moved
_NUMBER = re.compile(r"[-+−]?\d[\d.,]*(e[-+]?\d+)?")


def summarise_rounding(found: Robustness, results: Mapping[str, CellResult], studies: Mapping[str, Study]) -> str:
    """Say in a sentence or two what stands, or that the comparison no longer speaks of what lies there."""
    first, second = found.contexts
    if stale := found.find_stale(results, studies):
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        return (
            f"Cells ran with {second} instead of {first}, but {stale[0]}{more} changed since: it has to be done again."
        )
    cells = f"{len(found.compared)} {'cell' if len(found.compared) == 1 else 'cells'}"
    return f"{cells} ran with {second} instead of {first}: {count_standing(found)}."


def describe_rounding(
    found: Robustness, results: Mapping[str, CellResult], studies: Mapping[str, Study], ledger: Ledger
) -> list[Table]:
    """Return tables of both contexts, and of what stands, changed and moved; nothing where results have changed since."""
    if found.find_stale(results, studies):
        return []
    sides = [f"With {context}" for context in found.contexts]
    short = {name: study.short for name, study in studies.items()}
    claims = {(item.study, item.id): item.claim for item in ledger.judged}
    cells = {(entry.study, entry.id): entry.cells for entry in ledger.figures}
    facts = [[name, *pair] for name, pair in found.facts.items() if pair[0] != pair[1]]
    stands = [
        [short[pair.study], pair.name, print_side(pair.first), print_side(pair.second), stand(pair)]
        for pair in found.comparisons
    ]
    verdicts = [
        [
            short[pair.study],
            claims.get((pair.study, pair.name), pair.name),
            pair.first or "not run",
            pair.second or "not run",
        ]
        for pair in found.verdicts
        if pair.changed
    ]
    moved = [
        [
            short[pair.study],
            Cited(claims.get(key, pair.name), cells.get(key, ())),
            print_figure(pair.first, 7),
            print_figure(pair.second, 7),
            f"{abs(pair.second - pair.first):.2g}",
        ]
        for pair in found.values
        if pair.changed and None not in (pair.first, pair.second)
        for key in [(pair.study, pair.name)]
    ]
    said = [
        [short[pair.study], pair.first or "–", pair.second or "–"]
        for pair in found.conclusions
        if _NUMBER.sub("", pair.first or "") != _NUMBER.sub("", pair.second or "")
    ]
    tables = [
        Table("What the libraries say of themselves, where it differs.", ["Library", *sides], facts),
        Table(
            "The comparisons that conclusions rest on: the first arm is …", ["Study", "Comparison", *sides, ""], stands
        ),
        Table("Verdicts that changed.", ["Study", "Figure, log or erratum", *sides], verdicts),
        Table(
            f"Our values of published figures: the {min(_SHOWN, len(moved))} of {len(moved)} that moved most, as a share.",
            ["Study", "Figure", *sides, "By"],
            moved[:_SHOWN],
        ),
        Table("Conclusions in other words.", ["Study", *sides], said),
    ]
    return [table for table in tables if table.rows]
