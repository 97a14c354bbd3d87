"""Checks configuration files as the workflow does, without running anything.

Each file is laid over the one before: `python -m gradlab.engine.config config/config.yaml my.yaml`.
"""

import argparse
import sys
from collections.abc import Sequence

from gradlab.engine.config import ConfigError, check_files
from gradlab.engine.study import StudyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Check configuration files; print what is wrong with them and return 1 where they are refused."""
    parser = argparse.ArgumentParser(
        prog="python -m gradlab.engine.config", description="Check a configuration; run nothing."
    )
    parser.add_argument("files", nargs="+", help="files, each laid over the one before; config/config.yaml first")
    try:
        check_files(parser.parse_args(arguments).files)
    except (ConfigError, StudyError) as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    print("gradlab: the configuration is accepted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
