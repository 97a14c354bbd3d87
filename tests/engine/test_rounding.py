"""The rounding context: what is asked for is what the libraries of a cell say of themselves, or the cell fails."""

import json
import os
import subprocess
import sys

import pytest

from gradlab.engine.kernel import clean_environment
from gradlab.engine.rounding import CONTEXTS, RoundingError, check_rounding, find_breach, main

MEASURE = """
import json, sys
for name in sys.argv[1:]:
    __import__(name)
from gradlab.engine.rounding import measure_rounding
print("of the cell itself", flush=True)
print(json.dumps(measure_rounding()))
"""
FLAGS = {
    "avx512": "fpu sse4_1 sse4_2 avx2 fma avx512f avx512bw avx512cd avx512dq avx512vl",
    "avx2": "fpu sse4_1 sse4_2 avx2 fma",
    "none": "fpu",
}


def offered(context):
    try:
        check_rounding(context)
    except RoundingError:
        return False
    return True


def measure(tmp_path, *modules, rounding=None, **variables):
    """What is measured in a process that has the environment of a kernel and imports some modules."""
    environment = clean_environment({**os.environ, **variables}.items(), private=tmp_path, threads=1, rounding=rounding)
    command = [sys.executable, "-P", "-c", MEASURE, *modules]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 2  # what oneDNN prints of itself is not output of the cell
    return json.loads(said[1])


def test_only_libraries_that_were_imported_are_measured(tmp_path):
    assert measure(tmp_path, "json") == {}
    assert set(measure(tmp_path, "numpy")) == {"NumPy", "openblas of numpy"}


@pytest.mark.parametrize("context", [context for context in CONTEXTS if offered(context)])
def test_a_context_reaches_every_library(tmp_path, context):
    """The variables are asked, and each library answers for itself; of those contexts that this processor offers."""
    measured = measure(tmp_path, "numpy", "scipy.linalg", "torch", rounding=context)
    assert {"NumPy", "torch", "openblas of numpy", "openblas of scipy"} <= measured.keys()
    assert {"capability", "oneDNN", "MKL", "MKL branch"} <= measured["torch"].keys()
    assert find_breach(context, measured) == ""
    assert measured["torch"]["threads"] == measured["openblas of numpy"]["threads"] == 1
    for other in CONTEXTS.keys() - {context}:  # it is no other one
        assert f"rounding is {other}, and NumPy has run with features" in find_breach(other, measured)


def test_what_the_users_environment_says_to_libraries_is_no_context_of_a_cell(tmp_path):
    assert measure(tmp_path, "numpy", **CONTEXTS["sse4"].variables) == measure(tmp_path, "numpy")


@pytest.mark.parametrize(
    "library, name, value, message",
    [
        ("torch", "capability", "AVX512", "torch has run with capability AVX512 instead of AVX2"),
        ("torch", "oneDNN", None, "torch has run with oneDNN None instead of Intel AVX2"),
        ("torch", "MKL branch", "off", "torch has run with MKL branch off instead of AVX2 or auto"),
        ("openblas of scipy", "core", "Zen", "openblas of scipy has run with core Zen instead of Haswell"),
        ("NumPy", "features", "X86_V2", "NumPy has run with features X86_V2 instead of X86_V2 X86_V3"),
    ],
)
def test_a_library_that_has_not_kept_to_it_is_named(library, name, value, message):
    kept = {"torch": {"capability": "AVX2", "threads": 1}, "NumPy": {"features": "X86_V2 X86_V3"}}
    assert find_breach("avx2", kept) == find_breach(None, {library: {name: value}}) == ""
    assert find_breach("avx2", kept | {library: {name: value}}) == f"rounding is avx2, and {message}"


@pytest.mark.parametrize(
    "flags, refused, reason, possible",
    [
        ("avx2", "avx512", "has no avx512bw, avx512cd, avx512dq, avx512f, avx512vl", "sse4, avx2, null"),
        ("none", "avx2", "has no avx2, fma", "null"),
        ("avx512", "avx513", "there is no such context", "sse4, avx2, avx512, null"),
    ],
)
def test_a_context_that_this_machine_cannot_offer_is_refused(tmp_path, flags, refused, reason, possible):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {FLAGS[flags]}\nbugs\t: avx512f\n")
    with pytest.raises(RoundingError, match=f"{reason}; this machine offers {possible} "):
        check_rounding(refused, cpuinfo=cpuinfo)
    check_rounding(None, cpuinfo=cpuinfo)
    with pytest.raises(RoundingError):  # a machine that does not say what it has
        check_rounding("sse4", cpuinfo=tmp_path / "absent")


def test_every_context_is_offered_where_the_processor_has_it_all(tmp_path):
    (tmp_path / "cpuinfo").write_text(f"flags : {FLAGS['avx512']}\n")
    for context in CONTEXTS:
        check_rounding(context, cpuinfo=tmp_path / "cpuinfo")


def test_the_command_refuses_in_one_line(capsys):
    assert main(["avx513"]) == 1
    assert capsys.readouterr().err.startswith("gradlab: rounding is avx513: there is no such context; ")
    assert main([]) == 0
