"""`gradlab config config/config.yaml my.yaml` checks configuration files as the workflow does, without running anything."""

import argparse
import sys
from collections.abc import Sequence

from gradlab.engine.config import ConfigError, check_files
from gradlab.engine.config.document import document
from gradlab.engine.study import StudyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Check configuration files, or print the page about their keys; return 1, and say why, where they are refused."""
    parser = argparse.ArgumentParser(prog="gradlab config", description="Check a configuration; run nothing.")
    parser.add_argument("files", nargs="+", help="files, each laid over the one before; config/config.yaml first")
    parser.add_argument("--page", action="store_true", help="print the page about all keys, in Markdown, instead")
    options = parser.parse_args(arguments)
    try:
        if options.page:
            print(document(options.files), end="")
            return 0
        check_files(options.files)
    except (ConfigError, StudyError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    print("gradlab: the configuration is accepted")
    return 0
