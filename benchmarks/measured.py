"""Prints what Snakemake measured of every cell of a study, as the table that is kept as `workflow/measured.csv`.

    python -m benchmarks.measured results > workflow/measured.csv

The columns are the cell, its wall time in seconds, and the most memory that it used, in MB.
"""

import csv
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    results = Path(sys.argv[1])
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["cell", "seconds", "memory"])
    for cell in json.loads((results / "plan.json").read_text(encoding="utf-8"))["cells"]:
        with (results / f"benchmarks/{cell}.tsv").open(newline="", encoding="utf-8") as lines:
            measured = next(csv.DictReader(lines, delimiter="\t"))
        table.writerow([cell, round(float(measured["s"]), 1), round(float(measured["max_rss"]) * 1.048576)])
