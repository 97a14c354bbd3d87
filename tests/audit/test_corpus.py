"""Notebooks of which it is known what becomes of every number, and why, are audited as is known."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from audit.corpus import list_cases, write_case

from gradlab.audit.examine import audit_notebook


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    def audit(name, case):
        folder = tmp_path_factory.mktemp(name)
        return audit_notebook(write_case(case, folder / f"{name}.ipynb"), folder / "out", limits=case.limits)

    with ThreadPoolExecutor(2) as pool:
        waiting = {name: pool.submit(audit, name, case) for name, case in list_cases().items()}
        return {name: audit.result() for name, audit in waiting.items()}


@pytest.fixture(scope="module")
def pairs(audits):
    """What has to be said and what was said of every number, with its notebook."""
    found = []
    for name, case in list_cases().items():
        said = [(entry.verdict, entry.cause) for entry in audits[name].entries]
        assert len(said) == len(case.expected), (name, said)
        found += [(name, *both) for both in zip(case.expected, said, strict=True)]
    return found


def test_nearly_all_verdicts_and_causes_are_right(pairs):
    wrong = [pair for pair in pairs if pair[1] != pair[2]]
    assert len(wrong) <= 0.05 * len(pairs), wrong


def test_nothing_that_differs_passes_for_the_same(pairs):
    assert [pair for pair in pairs if pair[2][0] == "same" and pair[1][0] != "same"] == []
