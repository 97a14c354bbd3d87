"""`gradlab study new NAME --from paper.ipynb`: makes a study of a notebook, which runs as it is and is then one's own."""

import argparse
import json
import keyword
import math
import re
import shutil
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradlab.audit.align import align
from gradlab.audit.command import add_limits, audit_into, read_limits
from gradlab.audit.examine import Audit
from gradlab.audit.literals import Parameter, find_parameters
from gradlab.audit.runs import AuditError, is_left_out, load_notebook, read_cells
from gradlab.engine.study import discover
from gradlab.engine.verdicts import print_like
from gradlab.files import find_own, remedy_of
from gradlab.lab.printed import name_numbers, read_number, read_numbers
from gradlab.report.page import write_text

_FOLDER = "studies"  # the package of one's own studies
_LARGEST = 50  # megabytes of the files that a notebook reads
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _show(value: Any) -> str:
    """Return a literal as Python that is formatted as usual has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates") / "study"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {"literal": _show, "json": lambda value: json.dumps(value, ensure_ascii=False)}


def choose_parameters(found: Sequence[Parameter], asked: str | None) -> list[Parameter]:
    """Return those that are wanted: `all`, `none`, or names; where nothing is said, a person at the terminal is asked.

    Raises
    ------
    AuditError
        A name is not among them, or nobody can be asked.
    """
    known = {parameter.name: parameter for parameter in found}
    for parameter in found:
        comment = f"  # {parameter.comment}" if parameter.comment else ""
        print(f"  {parameter.name} = {parameter.value!r}{comment}  (code cell {parameter.cell + 1})")
    if asked is None and not found:
        return []
    if asked is None and not sys.stdin.isatty():
        raise AuditError("say which of these are parameters: --parameters all, none, or names with commas between them")
    answer = input("Which of these are parameters? (all, none, or names) [all] ") if asked is None else asked
    names = [name for name in re.split(r"[\s,]+", answer.strip()) if name]
    if names in ([], ["all"]):
        return list(found)
    if names == ["none"]:
        return []
    if others := [name for name in names if name not in known]:
        raise AuditError(
            f"{', '.join(others)}: no such parameter; expected all, none, or of {', '.join(known) or 'none'}"
        )
    return [known[name] for name in known if name in names]


def make_notebook(
    name: str, notebook: nbformat.NotebookNode, parameters: Sequence[Parameter], files: bool
) -> nbformat.NotebookNode:
    """Return the notebook as a template: its own cells, between a parameters cell and one that saves what it printed."""
    new = nbformat.v4
    lifted: dict[int, list[Parameter]] = {}
    for parameter in parameters:
        lifted.setdefault(parameter.cell, []).append(parameter)
    cells, place = [], -1
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cells.append(
                new.new_markdown_cell(cell.source) if cell.cell_type == "markdown" else new.new_raw_cell(cell.source)
            )
            continue
        place += 1
        if cell.source.strip():
            cells.append(new.new_code_cell(_leave_out(cell.source, lifted.get(place, []))))
    given = _TEMPLATES.get_template("parameters.py.j2").render(parameters=parameters)
    begin = _TEMPLATES.get_template("begin.py.j2").render(name=name, files=files, package=_FOLDER)
    first = new.new_code_cell(given, metadata={"tags": ["parameters"]})
    last = new.new_code_cell("capture.save()")
    made: nbformat.NotebookNode = new.new_notebook(cells=[first, new.new_code_cell(begin), *cells, last])
    made.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made.metadata.language_info = {"name": "python"}
    for count, cell in enumerate(made.cells):  # else it is random
        cell.id = f"cell-{count}"
    return made


def _leave_out(source: str, parameters: Sequence[Parameter]) -> str:
    """Return a cell's code without what is now a parameter, as Python that any cell of a study may have."""
    lines = source.splitlines()
    for parameter in sorted(parameters, key=lambda each: -each.lines[0]):
        first, last = parameter.lines
        lines[first - 1 : last] = []
    code = "\n".join(lines)
    if code.lstrip().startswith("%%"):
        code = TransformerManager().transform_cell(code).rstrip("\n")
    return code if code.strip() else "# What this cell assigned is a parameter now."


def find_figures(audit: Audit) -> dict[str, tuple[str, str, int]]:
    """Return the numbers that came out the same in every run: by name of the metric, what was printed, its label and cell."""
    entries = {entry.number: entry for entry in audit.entries}
    filled = [place for place, cell in enumerate(audit.cells) if cell.source.strip()]
    figures = {}
    for count, place in enumerate(filled):
        pairs, _ = align(
            read_numbers(place, audit.cells[place].pieces), read_numbers(place, audit.runs["first"].cells[place].pieces)
        )
        before = {now: number for number, now in pairs.items()}
        for name, now in name_numbers([*before]).items():
            number = before[now]
            text = number.text.replace(",", "").replace("\u2212", "-")
            kept = Decimal(print_like(read_number(text), text)) == Decimal(text)  # not of more digits than a number has
            if entries[number].verdict == "same" and kept:
                figures[f"{count + 1}.{name.partition('.')[2]}"] = (text, number.label, place + 1)
    return figures


def find_files(notebook: Path, code: str) -> list[Path]:
    """Return what lies beside a notebook and is named in its code, or is a module that it imports; of a folder, all of it.

    Raises
    ------
    AuditError
        That is more than a study should hold.
    """
    words = set(re.findall(r"[\w.-]+", code))
    found = [
        path
        for path in sorted(notebook.parent.iterdir())
        if not is_left_out(path.name)
        and path != notebook
        and (path.name in words or (path.suffix == ".py" and path.stem in words))
    ]
    size = sum(file.stat().st_size for path in found for file in (path.rglob("*") if path.is_dir() else [path]))
    if size > _LARGEST * 2**20:
        raise AuditError(
            f"what the notebook reads, {', '.join(path.name for path in found)}, takes {size / 2**20:,.0f} MB, and a study may "
            f"hold {_LARGEST}: let it read them by a whole path, or fetch them"
        )
    return found


def write_study(name: str, notebook: Path, audit: Audit, parameters: Sequence[Parameter], files: Sequence[Path]) -> int:
    """Write the files of a study into the working directory; return how many published figures it has."""
    place = Path(_FOLDER, name)
    content = load_notebook(notebook)
    title = next(
        (found[1] for item in audit.text if isinstance(item, str) and (found := re.search(r"^#+\s*(.+)$", item, re.M))),
        notebook.stem,
    )
    figures = find_figures(audit)
    known: dict[str, Any] = {
        "name": name,
        "package": _FOLDER,
        "title": title.strip(),
        "notebook": notebook.name,
        "digest": audit.digest,
        "parameters": parameters,
        "files": bool(files),
        "minutes": max(5, math.ceil(audit.runs["first"].seconds / 20)),  # three times what it took
        "others": [*discover()],
    }
    Path(_FOLDER).mkdir(exist_ok=True)
    Path(_FOLDER, "__init__.py").touch()
    for file in ("__init__.py", "study.py", "config.py", "plan.py", f"test_{name}.py"):
        template = "test.py.j2" if file.startswith("test_") else f"{file}.j2"
        write_text(place / file, _TEMPLATES.get_template(template).render(known))
    write_text(Path(f"{name}.yaml"), _TEMPLATES.get_template("only.yaml.j2").render(known))
    settings = {parameter.name: parameter.value for parameter in parameters}
    published = [
        {
            "id": metric,
            "value": text,
            "source": f"{notebook.name}, code cell {cell}",
            "claim": label or metric,
            "rule": "exact",
        }
        | ({"settings": settings} if settings else {})
        for metric, (text, label, cell) in figures.items()
    ]
    if published:
        write_text(
            place / "published/figures.yaml",
            yaml.safe_dump({"figures": published}, sort_keys=False, allow_unicode=True, width=120),
        )
    for path in files:
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, _make(place / "files") / path.name)
    made = make_notebook(name, content, parameters, bool(files))
    write_text(Path(f"notebooks/{name}/{name}.ipynb"), nbformat.writes(made) + "\n")
    return len(published)


def _make(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a study: 0 where it was made, 2 where not."""
    parser = argparse.ArgumentParser(
        prog="gradlab study",
        description="Make a study of a notebook, in the working directory: audit it, then write a notebook with a parameters "
        "cell, a plan, its section of the configuration, the numbers that came out the same, and a test.",
    )
    parser.add_argument("do", choices=["new"], metavar="new")
    parser.add_argument("name", help="small letters, digits and _")
    parser.add_argument("--from", dest="notebook", type=Path, required=True, help="a notebook with its saved outputs")
    parser.add_argument("--parameters", help="all, none, or names: what is asked at a terminal")
    add_limits(parser)
    options = parser.parse_args(arguments)
    name, notebook = options.name, options.notebook
    try:
        _check_name(name)
        cells = read_cells(load_notebook(notebook))
        print(f"{notebook} assigns, once and at the top level of a cell:")
        parameters = choose_parameters(find_parameters(cells), options.parameters)
        files = find_files(notebook, "\n".join(cell.source for cell in cells))
        place = Path(_FOLDER, name)
        audit = audit_into(notebook, place / "audit", read_limits(options))
        if said := _find_failure(audit):
            shutil.rmtree(place)
            raise AuditError(said)
        count = write_study(name, notebook, audit, parameters, files)
    except AuditError as error:
        print(f"gradlab: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"gradlab: {name} could not be made: {error}; {remedy_of(error)}", file=sys.stderr)
        return 2
    print(audit.sentence)
    print(f"{_FOLDER}/{name} is a study with {count:,} published {'figure' if count == 1 else 'figures'}; run it with")
    print(f"  {_show_command(name)}")
    return 0


def _find_failure(audit: Audit) -> str:
    """Return why a notebook makes no study: one that does not run to its end leaves nothing to compare."""
    if "first" not in audit.runs:
        return f"{audit.notebook} has no code in Python: name a notebook that has"
    run = audit.runs["first"]
    for place, cell in enumerate(run.cells):
        if cell.failure or run.stopped:
            said = f"{cell.failure.name}: {cell.failure.message}" if cell.failure else run.stopped
            return (
                f"{audit.notebook} does not run to its end ({said[:300]}, code cell {place + 1}): mend it, and save it "
                f"again; `gradlab audit` shows more"
            )
    return ""


def _show_command(name: str) -> str:
    """Return how Snakemake is called here for a study alone."""
    snakefile = find_own("Snakefile")
    elsewhere = f" -s {snakefile}" if snakefile != "Snakefile" else ""
    return f"snakemake --cores 2{elsewhere} --configfile {name}.yaml"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise AuditError(f"{name!r} is no name of a study: expected small letters, digits and _, with a letter first")
    there = [path for path in (Path(_FOLDER, name), Path("notebooks", name), Path(f"{name}.yaml")) if path.exists()]
    if name in discover() or there:
        raise AuditError(f"there is a study {name} already{f' ({there[0]})' if there else ''}: choose another name")
