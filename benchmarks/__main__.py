"""Runs the benchmarks that are named, or all of them, and prints and keeps what they found.

`PYTHONPATH=src:tests python -m benchmarks evaluation training` runs two of them and keeps the earlier results of the others.
"""

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.no_op import UnfinishedError
from benchmarks.rates import measure_rates
from benchmarks.timing import Places, measure
from gradlab.data import DatasetError
from gradlab.engine.cell import describe_commit, describe_machine
from gradlab.files import save_json

# How often each contender runs: more often where a run is short.
ROUNDS = {
    "protocol": 5,
    "evaluation": 11,
    "training": 9,
    "augmentation": 11,
    "perceptron": 11,
    "two_layer": 5,
    "cell": 7,
    "no_op": 7,
    "plan": 5,
}
RESULTS = Path(__file__).with_name("results.json")
PACKAGES = ("numpy", "papermill", "scikit-learn", "snakemake", "torch", "torchvision")


def run_benchmark(name: str, places: Places, rounds: int) -> dict[str, Any]:
    """Return what one benchmark found, with when, where and on which versions."""
    benchmark = importlib.import_module(f"benchmarks.{name}").compare(places)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    rates = measure_rates() if benchmark.parts else {}
    return {
        **measure(benchmark, rounds, rates),
        "started": started,
        "machine": {**describe_machine(), "threads": torch.get_num_threads(), **rates},
        "versions": {"python": sys.version.split()[0], **{package: metadata.version(package) for package in PACKAGES}},
        "git": describe_commit(),
    }


def describe(result: dict[str, Any]) -> str:
    """Return a result as lines of text: each contender, the target, and the parts."""
    lines = [f"{result['name']}: {result['title']}", f"  {result['clock']}, median of {result['rounds']} rounds"]
    for contender in result["contenders"]:
        seconds, ratio = contender["seconds"]["median"], contender["ratio"]
        spread = f"[{ratio['lower']:.3g}, {ratio['upper']:.3g}]"
        lines.append(f"  {seconds:>10.4g} s  × {ratio['median']:<6.3g}{spread}  {contender['label']}")
    if target := result.get("target"):
        bound = f"{target['against']} × {target['bound']:g}" if target["against"] else f"{target['bound']:g} s"
        lines.append(
            f"  {'met' if target['met'] else 'NOT MET'}: {'at least' if target['against'] else 'at most'} {bound}"
        )
    if share := result.get("share"):
        lines.append(f"  {share:.0%} of it is what the machine's rates need")
    for part in result.get("parts", ()):
        lines += [
            f"    {line}"
            for line in ["", f"{next(iter(part['times'].values())):g} times", *describe(part).splitlines()]
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks; return 1 where one could not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time what the project does fast.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"benchmarks to run, of {', '.join(ROUNDS)}; all by default"
    )
    parser.add_argument("--data", type=Path, default=Path("results/data"), help="the folder of the prepared data sets")
    parser.add_argument(
        "--study", type=Path, default=Path(), help="a copy of the project with a finished study, for no_op"
    )
    parser.add_argument(
        "--rounds", type=int, help="times that each contender runs; a number for each benchmark by default"
    )
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the results are kept")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(ROUNDS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; choose from {', '.join(ROUNDS)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; give at least 1")
    torch.set_num_threads(1)
    kept = json.loads(options.to.read_text(encoding="utf-8"))["benchmarks"] if options.to.exists() else []
    found = {result["name"]: result for result in kept}
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        places = Places(options.data.resolve(), options.study.resolve(), Path(scratch))
        for name in options.names or ROUNDS:
            try:
                found[name] = run_benchmark(name, places, options.rounds or ROUNDS[name])
            except (UnfinishedError, DatasetError) as error:
                print(f"{name} was not run: {error}", file=sys.stderr)
                failed = True
                continue
            print(describe(found[name]), end="\n\n", flush=True)
            save_json(options.to, {"benchmarks": [found[key] for key in ROUNDS if key in found]}, sort_keys=False)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
