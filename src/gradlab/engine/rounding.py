"""The rounding context of a cell: which instructions, and so which order of sums, its libraries take from the processor.

Seeds do not fix rounding. NumPy, torch, oneDNN and BLAS choose among kernels for what the processor offers, and training makes
other conclusions of other last digits. The context is measured in each cell's kernel and stands in its manifest. The key
`rounding` limits all libraries to an older set of instructions, by their own environment variables; a cell in which one of them
has not kept to it fails. What the C library computes (Python's `math`), and what a GPU does, is not limited.
"""

import argparse
import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What variables with these beginnings say to libraries is not for cells: the context is the processor's, or the configured one.
PREFIXES = ("ATEN_", "DNNL_", "MKL_", "NPY_", "ONEDNN_", "OPENBLAS_")
# The branches of MKL's conditional numerical reproducibility, by the numbers of its header.
_MKL_BRANCHES = {1: "off", 2: "auto", 3: "compatible", 8: "SSE4_2", 9: "AVX", 10: "AVX2", 12: "AVX512"}

Measured = Mapping[str, Mapping[str, Any]]  # a library's properties by its name


class RoundingError(RuntimeError):
    """The rounding context that is asked for cannot be had here; the message says why, and what to write instead."""


@dataclass(frozen=True)
class Context:
    """A set of instructions to which libraries are limited.

    Attributes
    ----------
    needs
        What the processor has to have, as /proc/cpuinfo names it.
    variables
        The environment variables that say so to each library.
    expected
        For properties that are measured, the values by which it is seen that a library keeps to it.
    """

    needs: frozenset[str]
    variables: Mapping[str, str]
    expected: Mapping[str, tuple[str, ...]]


def _limit(needs: str, *, torch: str, onednn: str, isa: str, mkl: str, numpy: tuple[str, ...], blas: str) -> Context:
    features = ("X86_V2", "X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR")
    variables = {
        "ATEN_CPU_CAPABILITY": torch,
        "ONEDNN_MAX_CPU_ISA": onednn,
        "MKL_CBWR": mkl,
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in features if name not in numpy),
        "OPENBLAS_CORETYPE": blas,
    }
    # Of a processor that is not Intel's, MKL takes one branch, `auto`, where it is to take another than `compatible`.
    branches = (mkl.lower(),) if mkl == "COMPATIBLE" else (mkl, "auto")
    expected = {
        "features": (" ".join(numpy),),
        "capability": (torch.upper(),),
        "oneDNN": (isa,),
        "MKL branch": branches,
        "core": (blas,),
    }
    return Context(frozenset(needs.split()), variables, expected)


CONTEXTS = {
    "sse4": _limit(
        "sse4_1 sse4_2",
        torch="default",
        onednn="SSE41",
        isa="Intel SSE4.1",
        mkl="COMPATIBLE",
        numpy=("X86_V2",),
        blas="Nehalem",
    ),
    "avx2": _limit(
        "avx2 fma",
        torch="avx2",
        onednn="AVX2",
        isa="Intel AVX2",
        mkl="AVX2",
        numpy=("X86_V2", "X86_V3"),
        blas="Haswell",
    ),
    "avx512": _limit(
        "avx512f avx512bw avx512cd avx512dq avx512vl",
        torch="avx512",
        onednn="AVX512_CORE",
        isa="Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
        mkl="AVX512",
        numpy=("X86_V2", "X86_V3", "X86_V4"),
        blas="SkylakeX",
    ),
}


def check_rounding(asked: str | None, *, cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse a context that the processor of this machine cannot offer: torch would take its instructions, and crash.

    Raises
    ------
    RoundingError
        There is no such context, or the processor lacks instructions; the message says which contexts it offers.
    """
    if asked is None:
        return
    found = (
        re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE) if cpuinfo.exists() else None
    )
    flags = set(found[1].split()) if found else set()
    lacking = sorted(CONTEXTS[asked].needs - flags) if asked in CONTEXTS else []
    if lacking or asked not in CONTEXTS:
        offered = ", ".join([*(name for name, context in CONTEXTS.items() if context.needs <= flags), "null"])
        reason = f"the processor of this machine has no {', '.join(lacking)}" if lacking else "there is no such context"
        raise RoundingError(
            f"rounding is {asked}: {reason}; this machine offers {offered} (null is all that the processor has)"
        )


def measure_rounding() -> dict[str, dict[str, Any]]:
    """Return the context of this process: of the libraries that it has imported, the instructions, versions and threads."""
    from threadpoolctl import threadpool_info

    measured: dict[str, dict[str, Any]] = {}
    if numpy := sys.modules.get("numpy"):
        features = numpy.show_config(mode="dicts")["SIMD Extensions"]
        measured["NumPy"] = {"features": " ".join([*features["baseline"], *features.get("found", ())])}
    if torch := sys.modules.get("torch"):
        measured["torch"] = {
            "capability": torch.backends.cpu.get_cpu_capability(),
            **_measure_onednn(torch),
            **_measure_mkl(torch),
            "threads": torch.get_num_threads(),
        }
    for library in sorted(threadpool_info(), key=lambda library: library["filepath"]):
        if library["user_api"] == "blas":
            owner = Path(library["filepath"]).parent.name.removesuffix(".libs")  # numpy.libs, as wheels have it
            measured[f"{library['internal_api']} of {owner}"] = {
                "version": library["version"],
                "core": library.get("architecture"),
                "threads": library["num_threads"],
            }
    return measured


def _measure_onednn(torch: Any) -> dict[str, Any]:
    """Return what oneDNN calls its instructions: it says so itself, on the first line that it prints, and nowhere else."""
    if not torch.backends.mkldnn.is_available():
        return {}
    flush = ctypes.CDLL(None).fflush
    flush(None)
    kept = os.dup(1)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.ones(2, 2).to_mkldnn()
            flush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        said.seek(0)
        found = re.search(r"cpu,isa:(.*)", said.read().decode(errors="replace"))
    return {"oneDNN": found[1] if found else None}


def _measure_mkl(torch: Any) -> dict[str, Any]:
    """Return version and branch of the MKL that torch's own library holds; of another one, threadpoolctl knows."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"))
        get_version, get_branch = library.MKL_Get_Version_String, library.mkl_serv_cbwr_get
    except (OSError, AttributeError):
        return {}
    text = ctypes.create_string_buffer(200)
    get_version(text, len(text))
    version = re.search(r"Version ([\d.]+)", text.value.decode(errors="replace"))
    branch = get_branch(-1)
    return {"MKL": version[1] if version else None, "MKL branch": _MKL_BRANCHES.get(branch, str(branch))}


def find_breach(asked: str | None, measured: Measured) -> str:
    """Say which library has not kept to the context that was asked for; an empty text where all have."""
    if asked is None:
        return ""
    for library, name, value in list_facts(measured):
        expected = CONTEXTS[asked].expected.get(name)
        if expected and value not in expected:
            return f"rounding is {asked}, and {library} has run with {name} {value} instead of {' or '.join(expected)}"
    return ""


def list_facts(measured: Measured) -> Iterator[tuple[str, str, Any]]:
    """Yield library, property and value of all that was measured."""
    for library, properties in measured.items():
        for name, value in properties.items():
            yield library, name, value


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the context that is named, where one is: 1, with a line that says why, where this machine does not offer it."""
    parser = argparse.ArgumentParser(prog="gradlab rounding", description="Check that this machine offers a context.")
    parser.add_argument("context", nargs="?", help="without one: as the processor does it")
    asked = parser.parse_args(arguments).context
    try:
        check_rounding(asked)
    except RoundingError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    return 0
