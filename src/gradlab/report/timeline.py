"""How a run used its cores: which cell ran when, and beside which others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gradlab.engine.results import CellResult
from gradlab.engine.schedule import print_time
from gradlab.engine.study import Study
from gradlab.lab import style
from gradlab.report.blocks import Picture, draw

PAUSE = 60.0  # seconds without any cell by which two runs are told apart
ROUNDING = 1.0  # seconds by which the start in a manifest may lie before the real one
FEWEST = 4  # cells of which a plot says more than the table does


@dataclass(frozen=True)
class Stretch:
    """The time in which a cell ran: `start`, `end` in seconds since the epoch, and a `lane` that it had for itself."""

    cell: CellResult
    start: float
    end: float
    lane: int


def find_largest_run(results: Mapping[str, CellResult]) -> list[Stretch]:
    """Return the complete cells of the run that computed most of them, in the order of their start.

    Cells are of one run where no minute lies between them in which no cell ran. Each has the lowest lane that was free.
    """
    times = []
    for result in results.values():
        if result.status == "done":
            start = datetime.fromisoformat(result.run["started"]).timestamp()
            times.append((start, start + result.run["wall_seconds"], result))
    runs: list[list[Stretch]] = []
    free: list[float] = []  # when each lane was left
    for start, end, cell in sorted(times, key=lambda item: item[:2]):
        if not free or start > max(free) + PAUSE:
            runs.append([])
            free = []
        lane = next((number for number, left in enumerate(free) if left <= start + ROUNDING), len(free))
        free[lane : lane + 1] = [end]
        runs[-1].append(Stretch(cell, start, end, lane))
    return max(runs, key=len, default=[])


def measure_idle(run: Sequence[Stretch]) -> float:
    """Return the share of the time of all lanes, from the first start to the last end, in which no cell ran in them."""
    lanes = 1 + max(stretch.lane for stretch in run)
    whole = max(stretch.end for stretch in run) - run[0].start
    return 1 - sum(stretch.end - stretch.start for stretch in run) / (lanes * whole)


def draw_run(results: Mapping[str, CellResult], studies: Mapping[str, Study]) -> Picture | None:
    """Return a plot of the run that computed most cells: a bar for each, by study; None for fewer than four cells."""
    run = find_largest_run(results)
    if len(run) < FEWEST:
        return None
    begun, ended = run[0].start, max(stretch.end for stretch in run)
    lanes = 1 + max(stretch.lane for stretch in run)
    unit, seconds = ("minutes", 60) if ended - begun >= 180 else ("seconds", 1)
    figure, (axes,) = style.panels(1, 1, width=7.5, height=min(1.4 + 0.35 * lanes, 6))
    for name, study in studies.items():
        if own := [stretch for stretch in run if stretch.cell.study == name]:
            axes.barh(
                [stretch.lane + 1 for stretch in own],
                [(stretch.end - stretch.start) / seconds for stretch in own],
                left=[(stretch.start - begun) / seconds for stretch in own],
                height=0.7,
                edgecolor="white",
                linewidth=0.4,
                label=study.short,
            )
    axes.set(xlabel=f"{unit} since the first cell started", ylabel="cells at once", yticks=range(1, lanes + 1))
    if lanes > 8:
        axes.set_yticks([1, lanes])
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    figure.legend(loc="outside upper left", ncols=len(studies))
    idle = f"{measure_idle(run):.0%} of their time"
    last = max(run, key=lambda stretch: stretch.end).cell
    others = len(results) - len(run)
    time = print_time(ended - begun)
    caption = (
        f"{len(run)} cells, {lanes} at once, in {time}: lanes were idle for {idle}, and the last cell was {last.name}."
    )
    if others:
        caption += f" {others} other {'cell' if others == 1 else 'cells'} ran at other times, or not at all."
    alt = f"A bar for each of {len(run)} cells, from its start to its end, in {lanes} lanes that were idle for {idle}."
    return draw(figure, "run", alt=alt, caption=caption)
