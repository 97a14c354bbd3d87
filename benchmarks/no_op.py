"""`snakemake` on a finished study, which has to find out that there is nothing to be done."""

from pathlib import Path

from benchmarks.commands import run_python
from benchmarks.timing import Benchmark, Places, Target

NOTHING = "Nothing to be done"


class UnfinishedError(RuntimeError):
    """There is no finished study to ask; the message says what to do."""


def compare(places: Places) -> Benchmark:
    """Time a run of the first configuration under which the study in a folder is finished, beside Snakemake's own start.

    Raises
    ------
    UnfinishedError
        It is finished under neither the full nor the quick configuration.
    """
    configuration = _find_finished(places.study)
    command = ("-m", "snakemake", "--cores", "1", *configuration)
    return Benchmark(
        name="no_op",
        title=" ".join(("snakemake", *configuration, "on a finished study")),
        contenders={
            "snakemake": lambda: run_python(*command, folder=places.study),
            "snakemake --version": lambda: run_python("-m", "snakemake", "--version", folder=places.study),
        },
        target=Target(4),
        clock="processor time of all processes started",
    )


def _find_finished(study: Path) -> tuple[str, ...]:
    """Return the options of snakemake under which a dry run says that nothing is to be done: before that, nothing is run."""
    for configuration in ((), ("--configfile", "config/quick.yaml")):
        try:
            said = run_python("-m", "snakemake", "--cores", "1", "--dry-run", *configuration, folder=study)
        except RuntimeError as error:
            raise UnfinishedError(f"snakemake cannot plan the study in {study}: {error}") from error
        if NOTHING in said:
            return configuration
    raise UnfinishedError(
        f"the study in {study} is not finished, so there is no run with nothing to do; run `make quick` first, or name the "
        "folder of another copy of the project by --study"
    )
