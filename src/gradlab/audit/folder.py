"""Audits all notebooks of a folder: a plan, which Snakemake carries out side by side and takes up again, and a table of all."""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradlab.audit.command import audit_into
from gradlab.audit.isolation import Limits
from gradlab.audit.judge import VERDICTS
from gradlab.audit.page import render
from gradlab.audit.runs import AuditError, find_language, load_notebook, read_cells, run_notebook
from gradlab.engine.kernel import SOURCES
from gradlab.files import save_json
from gradlab.report.page import write_text

_TEMPLATES = Path(__file__).with_name("templates")
_LEFT_OUT = (".ipynb_checkpoints", "node_modules")


def audit_folder(folder: Path, output: Path, limits: Limits, jobs: int, month: str = "") -> dict[str, Any]:
    """Audit the notebooks below a folder, and write a page and a table of all.

    What was audited, and has not changed since, is not run again.

    Returns
    -------
    dict
        What each audit found, as its `audit.json` has it; None for a notebook that could not be audited.

    Raises
    ------
    AuditError
        There is no notebook below it.
    """
    notebooks = find_notebooks(folder, output)
    if not notebooks:
        raise AuditError(f"there is no notebook below {folder}: name a folder that holds some, or a notebook")
    planned = {name: {"file": os.path.abspath(file), "runs": plan_runs(file)} for name, file in notebooks.items()}
    plan = {"python": sys.executable, "limits": vars(limits), "date": month, "notebooks": planned}
    save_json(output / "plan.json", plan)
    write_text(output / "Snakefile", (_TEMPLATES / "audit.smk").read_text(encoding="utf-8"))
    command = [sys.executable, "-P", "-m", "snakemake", "--cores", str(jobs), "--keep-going", "--rerun-incomplete"]
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    subprocess.run([*command, "--quiet", "all"], cwd=output, env=environment, check=False)
    audits = {name: _load(output / name / "audit.json", Path(file)) for name, file in notebooks.items()}
    _show(folder, output, audits)
    return audits


def find_notebooks(folder: Path, output: Path) -> dict[str, Path]:
    """Return the notebooks below a folder by name: the path without its suffix."""
    found = {}
    for file in sorted(folder.rglob("*.ipynb")):
        parts = file.relative_to(folder).parts[:-1]
        if file.resolve().is_relative_to(output.resolve()) or any(
            part.startswith(".") or part in _LEFT_OUT or part.endswith("-audit") for part in parts
        ):
            continue
        found[file.relative_to(folder).with_suffix("").as_posix()] = file
    return found


def plan_runs(notebook: Path) -> list[str]:
    """Return the runs that any audit of a notebook makes; what else it asks for is known when these are done."""
    try:
        content = load_notebook(notebook)
    except AuditError:  # its own job says so
        return []
    cells = read_cells(content)
    if find_language(content) != "python" or not any(cell.source.strip() for cell in cells):
        return []
    return ["first", "second"] if any(cell.pieces for cell in cells) else ["first"]


def _load(file: Path, notebook: Path) -> Any:
    """Return what an audit found; None where there is none, or an older one than the notebook."""
    if not file.exists() or file.stat().st_mtime < notebook.stat().st_mtime:
        return None
    return json.loads(file.read_text(encoding="utf-8"))


def _show(folder: Path, output: Path, audits: Mapping[str, Any]) -> None:
    total = sum((Counter(found["verdicts"]) for found in audits.values() if found), Counter())
    verdicts = [verdict for verdict in VERDICTS if total[verdict]]
    render(
        output / "report.html",
        _TEMPLATES / "folder",
        title=folder.resolve().name,
        sentence=summarise(audits),
        verdicts=verdicts,
        audits=audits,
    )
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["notebook", "audited", *VERDICTS, "causes"])
    for name, found in audits.items():
        counts = found["verdicts"] if found else {}
        causes = "; ".join(f"{cause} {count}" for cause, count in found["causes"].items()) if found else ""
        table.writerow([name, "yes" if found else "no", *(counts.get(verdict, 0) for verdict in VERDICTS), causes])
    write_text(output / "audits.csv", text.getvalue())


def summarise(audits: Mapping[str, Any]) -> str:
    """Say in a sentence how the notebooks of a folder fared."""
    same = sum(bool(found) and found["same"] for found in audits.values())
    failed = sum(found is None for found in audits.values())
    said = f"Of {len(audits):,} {'notebook' if len(audits) == 1 else 'notebooks'}, {same:,} came out the same in every number"
    return f"{said}, and {failed:,} could not be audited." if failed else f"{said}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Be a job of a plan: make a run of a notebook, or judge it."""
    plan_file, name, what = sys.argv[1:] if arguments is None else arguments
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    notebook, limits = Path(plan["notebooks"][name]["file"]), Limits(**plan["limits"])
    try:
        if what != "judge":
            run_notebook(notebook, Path(name) / "runs", what, limits=limits)
            return 0
        audit_into(notebook, Path(name), limits, month=plan["date"], made=plan["notebooks"][name]["runs"])
    except AuditError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
