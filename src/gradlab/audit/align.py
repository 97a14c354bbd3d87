"""Which number of a run is which of those that were printed before: by cell and label, not by position."""

from collections import defaultdict
from collections.abc import Sequence

from gradlab.lab.printed import Number


def align(before: Sequence[Number], after: Sequence[Number]) -> tuple[dict[Number, Number], list[Number]]:
    """Pair the numbers of one cell.

    Those of the same row and column, or in the same line of text, come first; then those after the same words. Of several with
    one name, the first belongs to the first.

    Returns
    -------
    pairs, others
        What each of `before` is in `after`, as far as it is there; and what else is there.
    """
    pairs: dict[Number, Number] = {}
    for name in ("precise", "loose"):
        known: dict[tuple[str, ...], list[Number]] = defaultdict(list)
        taken = set(pairs.values())
        for number in after:
            if number not in taken:
                known[getattr(number, name)].append(number)
        for places in known.values():
            places.reverse()
        for number in before:
            if number not in pairs and (same := known[getattr(number, name)]):
                pairs[number] = same.pop()
    taken = set(pairs.values())
    return pairs, [number for number in after if number not in taken]
