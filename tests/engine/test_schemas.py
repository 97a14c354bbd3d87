"""The JSON Schemas of the documentation; `tests/workflow/test_quick.py` holds what a run wrote against them."""

import json
from dataclasses import fields

import pytest
from jsonschema import Draft202012Validator

from gradlab.engine.claims import Erratum
from gradlab.engine.ledger import Entry, LogEntry
from gradlab.lab.stats import PairedComparison


@pytest.fixture(scope="module")
def schemas(project):
    return {
        name: json.loads((project / f"docs/schemas/{name}.schema.json").read_text(encoding="utf-8"))
        for name in ("ledger", "manifest")
    }


def test_they_are_schemas(schemas):
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "part, kind", [("figures", Entry), ("logs", LogEntry), ("errata", Erratum), ("comparisons", PairedComparison)]
)
def test_every_field_of_the_ledger_is_described(part, kind, schemas):
    described = schemas["ledger"]["properties"][part]["items"]
    extra = {"study", "name", "direction"} if kind is PairedComparison else set()
    assert set(described["properties"]) == {field.name for field in fields(kind)} | extra
    assert set(described["required"]) == set(described["properties"])
    assert all(each["description"] for each in described["properties"].values())
