"""What an audit found, as files: `audit.json`, whose form is docs/schemas/audit.schema.json, and `figures.csv`."""

import csv
import io
from pathlib import Path
from typing import Any

from gradlab import __version__
from gradlab.audit.examine import Audit
from gradlab.audit.isolation import Limits
from gradlab.audit.judge import Entry
from gradlab.files import atomic_path, save_json

COLUMNS = (
    "id",
    "code_cell",
    "label",
    "published",
    "now",
    "second",
    "rounding",
    "saved_order",
    "dated",
    "verdict",
    "cause",
    "evidence",
)


def save_audit(audit: Audit, output: Path, limits: Limits) -> None:
    """Write both files into a folder."""
    rows = tabulate(audit)
    content: dict[str, Any] = {
        "gradlab": __version__,
        "notebook": audit.notebook.name,
        "sha256": audit.digest,
        "sentence": audit.sentence,
        "same": audit.is_same,
        "verdicts": audit.verdicts,
        "causes": audit.causes,
        "notes": list(audit.notes),
        "limits": vars(limits),
        "runs": [
            {
                "name": run.name,
                "rounding": run.rounding,
                "seconds": run.seconds,
                "stopped": run.stopped,
                "open_ways": list(run.open_ways),
                "python": run.environment.get("python"),
                "distributions": run.environment.get("distributions", {}),
            }
            for run in audit.runs.values()
        ],
        "figures": rows,
    }
    save_json(output / "audit.json", content, sort_keys=False)
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with atomic_path(output / "figures.csv") as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def tabulate(audit: Audit) -> list[dict[str, Any]]:
    """Return a row for every number."""
    return [_as_row(name, entry) for name, entry in name_entries(audit).items()]


def name_entries(audit: Audit) -> dict[str, Entry]:
    """Return the numbers by names that stay the same while the notebook does: `n1`, `n2`, ..."""
    return {f"n{count}": entry for count, entry in enumerate(audit.entries, 1)}


def _as_row(name: str, entry: Entry) -> dict[str, Any]:
    number, found = entry.number, entry.found
    return {
        "id": name,
        "code_cell": number.cell + 1,
        "label": number.label,
        "published": None if entry.is_new else number.text,
        "now": found.get("first"),
        "second": found.get("second"),
        "rounding": found.get("rounding"),
        "saved_order": found.get("saved order"),
        "dated": found.get("dated"),
        "verdict": entry.verdict,
        "cause": entry.cause,
        "evidence": entry.evidence,
    }
