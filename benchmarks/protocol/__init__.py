"""The whole published protocol, put together from its parts: as the workflow runs it, and as the notebooks do.

The workflow runs a cell on each core, with one thread each; the notebooks run one after the other, and their libraries take all
cores. So our way is timed on every core at once, and counts for as many times; theirs runs once, with as many threads. The
parts of our way are the calls that the cells make. What takes either less than a second is left out: the cells of the autodiff
study, twenty images that are learned by heart, networks that are initialised.
"""

from collections.abc import Iterable

from benchmarks.protocol import augmentation, batch_size, regularization
from benchmarks.protocol.sides import OWN, PLAIN, Part, add_up, time_start
from benchmarks.timing import Benchmark, Places, Target


def compare(places: Places, *, images: int | None = None) -> Benchmark:
    """Compare the published protocol as the workflow runs it with the notebooks' own way; on fewer images for a test."""
    start = time_start(places)

    def put_together(title: str, cells: int, parts: Iterable[Part], target: Target | None = None) -> Part:
        whole = add_up("study", title, [*parts, ({OWN: cells, PLAIN: 1}, start)], target)
        return {OWN: 1, PLAIN: 1}, whole

    return add_up(
        "protocol",
        "The published protocol, extrapolated from its parts",
        [
            put_together("Augmentation (F §2)", 4, augmentation.list_parts(places, images)),
            put_together("Batch sizes (F §3)", 5, batch_size.list_parts(places, images)),
            put_together("CIFAR-10 (C)", 24, regularization.list_parts(places, images), Target(4, PLAIN)),
        ],
        Target(6.5, PLAIN),
    )
