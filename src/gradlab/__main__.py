"""The command `gradlab`: what is done with a study beside running it, which Snakemake does."""

import argparse
import pkgutil
import sys
from collections.abc import Sequence

# Each command's function, imported when it is called, since most modules import a lot; and what it does.
FOR_PEOPLE = {
    "config": ("gradlab.engine.config.command:main", "check configuration files, or print the page about their keys"),
    "check-data": ("gradlab.data.check:main", "read every byte of the prepared data again"),
    "ledger": ("gradlab.engine.ledger:main", "count the verdicts; fail where a figure that must be exact is not"),
    "verify": ("gradlab.engine.verify:main", "compare two runs of a study byte by byte"),
    "robustness": (
        "gradlab.engine.robustness:main",
        "compare two runs under two rounding contexts: which conclusions stand",
    ),
    "rounding": ("gradlab.engine.rounding:main", "check that this machine offers a rounding context"),
    "audit": ("gradlab.audit.command:main", "run any notebook again: which of its numbers come out, and why not"),
    "study": ("gradlab.audit.adopt:main", "make a study of any notebook"),
    "archive": ("gradlab.engine.archive:main", "pack report, results and project into one zip, an RO-Crate"),
}
FOR_WORKFLOW = {
    "data": ("gradlab.data.command:run_job", "fetch and prepare a data set of a plan"),
    "cell": ("gradlab.engine.job:main", "run a cell of a plan"),
    "report": ("gradlab.report.build:run_job", "render the report of a plan, whatever has run"),
}
COMMANDS = FOR_PEOPLE | FOR_WORKFLOW


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that is named first, with the rest of the arguments; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="gradlab",
        usage="gradlab COMMAND ...",
        description="Reproduced studies: what is done beside running them, which is `snakemake --cores 4` in the project's "
        "folder. `gradlab COMMAND --help` says what a command takes.",
        epilog="\n".join(
            [
                *_list("for you:", FOR_PEOPLE),
                "",
                *_list("for the workflow, which calls them itself:", FOR_WORKFLOW),
                "",
                "for example:",
                "  gradlab config config/config.yaml my.yaml",
                "  gradlab ledger results/ledger.json",
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    given = list(sys.argv[1:] if arguments is None else arguments)
    function, _ = COMMANDS[parser.parse_args(given[:1]).command]
    status: int = pkgutil.resolve_name(function)(given[1:])
    return status


def _list(title: str, commands: dict[str, tuple[str, str]]) -> list[str]:
    return [title, *(f"  {name:<11} {about}" for name, (_, about) in commands.items())]


if __name__ == "__main__":
    sys.exit(main())
