"""Small studies, made on the spot with results of their own, and the reports of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from made_cells import finish_cell, make_cell, write_plan
from made_studies import write, write_study

from gradlab.engine.ledger import Entry
from gradlab.engine.study import Cell, Study
from gradlab.report.build import render_report

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def describe_study(name: str) -> Study:
    """Return what a made study is called: `slopes` is Slopes, in short."""
    title = name.capitalize()
    return Study(f"{title} of functions", title, f"What are {name}?", f"Notes on {name}", name)


def make_entry(**given: Any) -> Entry:
    """Return an entry of the ledger with the given fields, all others None."""
    known = {
        "study": "slopes",
        "claim": "a slope",
        "origin": "printed",
        "published": "0.5",
        "verdict": "exact",
        "note": "",
    }
    return Entry(**dict.fromkeys(field.name for field in fields(Entry)) | known | {"cells": []} | given)


class MadeReport:
    """Made studies, the results of their planned cells, and the report.

    Attributes
    ----------
    root, data, package
        The folders of results, of prepared data, and of the studies.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.data = folder / "results", folder / "data"
        # Modules stay imported under their names, so each folder has a name of its own.
        self.package = folder / f"studies_of_{folder.name}"
        self._cells: dict[str, Cell] = {}

    def add_study(
        self,
        name: str,
        figures: Sequence[Mapping[str, Any]] = (),
        *,
        logs: Mapping[str, str] | None = None,
        deviations: Sequence[Any] = (),
        **modules: str,
    ) -> None:
        """Write a study's package: what it publishes, logs of the column `loss` as CSV by their cells, and modules by names."""
        about = describe_study(name)
        facts = {key: getattr(about, key) for key in ("title", "short", "question", "source")}
        study = f"from gradlab.engine.study import Study\n\nSTUDY = Study(**{facts!r})\n"
        whole = [{"source": "Notes 1", "rule": "exact", "claim": figure["id"]} | dict(figure) for figure in figures]
        about_log = {"source": "Notes 2", "rule": "exact", "index": "x", "columns": {"loss": {"metric": "loss"}}}
        printed = [
            about_log | {"id": cell, "file": f"{cell}.csv", "cell": cell, "claim": f"log of {cell}"}
            for cell in logs or ()
        ]
        write_study(self.package / name, json.dumps({"figures": whole, "logs": printed}), study=study, **modules)
        for cell, table in (logs or {}).items():
            write(self.package / name / f"published/{cell}.csv", table)
        write(self.package / name / "published/deviations.yaml", json.dumps(deviations))

    def plan(self, cells: Mapping[str, Mapping[str, Any]], *, studies: Iterable[str] | None = None) -> None:
        """Plan cells by their keys, with the fields of `Cell`; of studies that are on, where they have no cells."""
        self._cells = {key: make_cell(key, **{"parameters": {}, **fields}) for key, fields in cells.items()}
        on = studies or dict.fromkeys(cell.study for cell in self._cells.values())
        write_plan(self.root, self._cells, packages=[str(self.package)], studies=[*on])

    def finish(
        self,
        key: str,
        metrics: Mapping[str, Any] | None = None,
        *,
        notebook: Any = None,
        svg: str = SVG,
        parameters: Mapping[str, Any] | None = None,
        curves: Sequence[str] = (),
        **facts: Any,
    ) -> None:
        """Leave what a run of a planned cell leaves, with other parameters where some are given."""
        cell, folder = self._cells[key], self.root / key
        folder.mkdir(parents=True)
        nbformat.write(notebook or nbformat.v4.new_notebook(), folder / "notebook.ipynb")
        (folder / "metrics.json").write_text(json.dumps(metrics or {}))
        (folder / "curves.csv").write_text("x,metric,value\n" + "".join(f"{row}\n" for row in curves))
        for figure in cell.figures:
            (folder / figure).write_text(svg)
        for file in cell.files:
            answers = [{"question": "Is 1 < 2?", "answer": "<b>Yes</b>", "evidence": "counted"}]
            (folder / file).write_text(json.dumps(answers))
        finish_cell(folder, cell.parameters if parameters is None else parameters, **facts)

    def fail(self, key: str, *cells: Any) -> None:
        """Leave the notebook of a run that failed."""
        log = self.root / f"logs/{key}.ipynb"
        log.parent.mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[*cells]), log)

    def render(self) -> str:
        """Render the report, and return it."""
        render_report(self.root / "plan.json", data=self.data)
        return (self.root / "report.html").read_text(encoding="utf-8")

    def parse(self) -> BeautifulSoup:
        """Render the report, and return it parsed."""
        return BeautifulSoup(self.render(), "html.parser")

    def read_page(self, key: str) -> BeautifulSoup:
        """Return the page of a cell's notebook, parsed."""
        return BeautifulSoup((self.root / f"pages/{key}.html").read_text(encoding="utf-8"), "html.parser")

    def read_ledger(self) -> dict[str, list[str]]:
        """Return the texts of the ledger's rows, by their ids, as it was rendered with the report."""
        page = BeautifulSoup((self.root / "ledger.html").read_text(encoding="utf-8"), "html.parser")
        return {row["id"]: [cell.get_text() for cell in row.select("th, td")] for row in page.select("tbody tr")}

    @property
    def command(self) -> list[str]:
        """The arguments of `python -m gradlab.report.build`."""
        return [str(self.root / "plan.json"), f"--data={self.data}"]
