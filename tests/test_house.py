"""What is outside of a study knows no study by name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlab.engine.study import discover

STUDIES = "src/gradlab/studies"
# What every study runs with, and the tests of the report; not guides and configuration, which describe the studies.
SHARED = ("src", "workflow", "profiles", "Snakefile", "Makefile", "pyproject.toml", ".ci", "tests/report")
# Words of the field that are names of studies besides: a parameter of SGD, and a stream of random numbers.
WORDS = {"batch_size": ("lab/sgd.py", "lab/arms.py"), "augmentation": ("lab/seeds.py",)}


def list_shared(project: Path) -> Iterator[Path]:
    for place in SHARED:
        files = (project / place).rglob("*") if (project / place).is_dir() else [project / place]
        for file in files:
            # The folder of a study is its own; byte code, and what installing leaves, are made.
            own = (project / STUDIES) in file.parents
            if file.is_file() and not own and file.suffix != ".pyc" and ".egg-info" not in file.as_posix():
                yield file


@pytest.mark.parametrize("name", discover())
def test_a_study_is_named_in_no_file_that_all_studies_share(project, name):
    named = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    found = {
        f"{file.relative_to(project)}:{number}: {line.strip()}"
        for file in list_shared(project)
        if not file.as_posix().endswith(WORDS.get(name, ()))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if named.search(line)
    }
    assert not found, "\n".join(sorted(found))
