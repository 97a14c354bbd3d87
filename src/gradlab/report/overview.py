"""The report's first screen: what was run, how the published numbers fared, and where we differ."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby

from gradlab.engine.figures import CAUSES, load_deviations
from gradlab.engine.ledger import Entry, Ledger, LogEntry, count_verdicts
from gradlab.engine.results import CellResult
from gradlab.engine.study import Study
from gradlab.engine.verdicts import POWER, VERDICTS
from gradlab.engine.verify import Repeat
from gradlab.report.blocks import Cited, Table
from gradlab.report.text import print_figure

SYMBOLS = {"exact": "=", "reproduced": "≈", "compatible": "~", "not reproduced": "≠", "not run": "–"}
_UNBROKEN = "\N{NO-BREAK SPACE}"
_LISTED = 5  # names of cells, or claims, before "and 7 more"


def summarise(results: Mapping[str, CellResult], entries: Sequence[Entry]) -> str:
    """Say in two sentences what was run, and how the published numbers fared."""
    done = sum(result.status == "done" for result in results.values())
    counts = count_verdicts(entries)
    words = {
        "exact": ("is the same to the last printed digit", "are the same to the last printed digit"),
        "reproduced": ("is reproduced", "are reproduced"),
        "compatible": ("is compatible with ours", "are compatible with ours"),
        "not reproduced": ("is not reproduced", "are not reproduced"),
        "not run": ("was not compared", "were not compared"),
    }
    *parts, last = [_count(counts[verdict], *both) for verdict, both in words.items() if counts[verdict]] or [""]
    fared = f"{', '.join(parts)} and {last}" if parts else last
    ran = f"{done} of {len(results)} planned experiments ran again, each in a notebook of its own."
    return f"{ran} Of the {len(entries):,} numbers that the notebooks print, {fared}." if entries else ran


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def describe_trouble(results: Mapping[str, CellResult]) -> str:
    """Name the cells that are not complete; an empty text where all are."""
    names: dict[str, list[str]] = {}
    for result in results.values():
        if result.status != "done":
            names.setdefault(result.status, []).append(result.name)
    return "; ".join(f"{len(cells)} {status} ({_shorten(cells)})" for status, cells in names.items())


def summarise_repeats(repeats: Mapping[str, Repeat]) -> str:
    """Say in one sentence how many of the complete cells were run a second time, and with what result; empty without any."""
    if not repeats:
        return ""
    names: dict[str, list[str]] = {state: [] for state in ("same", "differs", "changed", "none")}
    for name, repeat in repeats.items():
        names[repeat.state].append(name)
    number = {state: len(cells) for state, cells in names.items()}
    same = f"{number['same']} of {len(repeats)} complete cells {'was' if number['same'] == 1 else 'were'}"
    parts = [f"{same} run a second time, with the same bytes"]
    if names["differs"]:
        parts.append(f"{number['differs']} with other bytes ({_shorten(names['differs'])})")
    if names["changed"]:
        parts.append(_count(number["changed"], "has changed since", "have changed since"))
    if names["none"]:
        parts.append(_count(number["none"], "was not run again", "were not run again"))
    return "; ".join(parts) + "."


def list_verdicts(entries: Sequence[Entry]) -> list[tuple[str, str, int]]:
    """Return symbol, verdict and number of the verdicts that occur."""
    return [(SYMBOLS[verdict], verdict, number) for verdict, number in count_verdicts(entries).items() if number]


def tabulate_causes(entries: Sequence[Entry]) -> Table:
    """Return how many published numbers have each verdict, by the cause."""
    counts = Counter((entry.cause, entry.verdict) for entry in entries)
    causes = [cause for cause in CAUSES if any(counts[cause, verdict] for verdict in VERDICTS)]
    verdicts = [verdict for verdict in VERDICTS if any(counts[cause, verdict] for cause in causes)]
    rows = [
        [
            cause,
            *(counts[cause, verdict] or None for verdict in verdicts),
            sum(counts[cause, verdict] for verdict in verdicts),
        ]
        for cause in causes
    ]
    return Table("Every published number, by verdict and cause.", ["Cause", *verdicts, "All"], rows)


def tabulate_power(ledger: Ledger, studies: Mapping[str, Study]) -> Table | None:
    """Return what each rule with a power would have refused; None where there is none."""
    judged: list[Entry | LogEntry] = [*ledger.logs, *ledger.figures]
    rows = [
        [studies[item.study].short, item.claim, item.rule, f"{item.power:.2f}", item.verdict]
        for item in judged
        if item.power is not None and not (isinstance(item, Entry) and item.rule == "follows")
    ]
    if not rows:
        return None
    return Table(
        f"Power: the share of our other runs that a rule would have refused. Below {POWER:g} the verdict is compatible.",
        ["Study", "Log or figure", "Rule", "Power", "Verdict"],
        rows,
    )


def mean_of(entry: Entry) -> float | None:
    """Return our value of a figure, over several seeds their mean; None where there is none."""
    values = entry.reproduced if isinstance(entry.reproduced, list) else [entry.reproduced]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def print_reproduced(entry: Entry) -> tuple[str, str]:
    """Return our value of a figure, and the interval that judges it with the number of runs, where there are several."""
    mean = mean_of(entry)
    if mean is None:
        return "–", ""
    digits = max(6, len(Decimal(entry.published).as_tuple().digits))
    value = print_figure(mean, digits)
    if not isinstance(entry.reproduced, list):
        return value, ""
    known = sum(run is not None for run in entry.reproduced)
    number = _print_number(known) if known == len(entry.reproduced) else f"{known} of {len(entry.reproduced)} runs"
    return value, number if entry.low is None else f"{_print_interval(entry.low, entry.high)}, {number}"


def print_corrected(entry: Entry) -> tuple[str, str]:
    """Return the mean of the corrected runs, and its interval with the number of runs, where there are several."""
    n, missing, low, high = entry.corrected_n, entry.corrected_missing, entry.corrected_low, entry.corrected_high
    if n is None or missing is None:
        return "–", ""
    return print_mean(n, missing, entry.corrected_mean, None if low is None or high is None else (low, high))


def print_mean(n: int, missing: int, mean: float | None, interval: tuple[float, float] | None) -> tuple[str, str]:
    """Return the mean of runs, `n` with a value and others without, and its interval with their number, where it has one."""
    runs = n + missing
    if mean is None:
        return "–", f"in none of {runs} runs"
    if missing:
        return _print_short(mean), f"{n} of {runs} runs"
    return _print_short(mean), "" if interval is None else f"{_print_interval(*interval)}, {_print_number(n)}"


def _print_short(value: float) -> str:
    """Return four significant digits of what is below 1, five above, and whole numbers from 10,000 on."""
    return f"{value:.0f}" if abs(value) >= 10_000 else print_figure(value, 5 if abs(value) > 1 else 4)


def _print_interval(low: float, high: float | None) -> str:
    return f"[{_print_short(low)},{_UNBROKEN}{'∞)' if high is None else f'{_print_short(high)}]'}"


def _print_number(runs: int) -> str:
    return f"n{_UNBROKEN}={_UNBROKEN}{runs}"


def list_differences(entries: Sequence[Entry], studies: Mapping[str, Study]) -> list[Table]:
    """Return tables of the figures that differ, and of those that were not compared, by the reason."""
    tables = []
    differing = [entry for entry in entries if entry.verdict == "not reproduced"]
    if differing:
        rows = [
            [
                studies[entry.study].short,
                entry.claim,
                entry.published,
                Cited(print_reproduced(entry)[0], entry.cells),
                ": ".join(filter(None, [entry.note, print_reproduced(entry)[1]])),
                entry.cause,
            ]
            for entry in differing
        ]
        tables.append(
            Table(
                "Figures that are not reproduced",
                ["Study", "Figure", "Published", "Ours", "Held against", "Cause"],
                rows,
            )
        )
    absent = [entry for entry in entries if entry.verdict == "not run"]
    if absent:
        rows = []
        by_reason = sorted(absent, key=lambda entry: (list(studies).index(entry.study), entry.note))
        for (study, note), group in groupby(by_reason, key=lambda entry: (entry.study, entry.note)):
            together = list(group)
            cells = list(dict.fromkeys(name for entry in together for name in entry.cells))
            count = Cited(len(together), cells) if cells else len(together)
            rows.append([studies[study].short, count, _shorten([entry.claim for entry in together]), note])
        tables.append(Table("Figures that were not compared", ["Study", "Number", "Figures", "Why"], rows))
    return tables


def list_deviations(studies: Iterable[Study]) -> Table | None:
    """Return the known deviations of studies; None where there are none."""
    rows = [
        [f"{study.short}, {deviation.source}", deviation.notebook, deviation.here, deviation.effect]
        for study in studies
        for deviation in load_deviations(study)
    ]
    header = ["Where", "The notebook", "Here", "Effect on the figures"]
    return Table("Where the published protocol knowingly does otherwise", header, rows) if rows else None


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
