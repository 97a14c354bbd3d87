"""Writes config/README.md: `gradlab config config/config.yaml --page > config/README.md`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gradlab.engine.config import check_files
from gradlab.engine.config.keys import Keys, make_model

_FRAME = Path(__file__).parent / "frame.md"  # where a word in capitals, alone in its line, is put a table, or several

_SENSIBLE = 60_000  # an upper bound beyond this one only refuses what was mistyped


def document(files: Sequence[str | Path]) -> str:
    """Return a page about the keys of a configuration, in Markdown: the engine's, and those of the studies that are on."""
    settings, found = check_files(files)
    studies = {name: found[name] for name in settings.studies}
    model = make_model(studies)
    schema, defaults = model.model_json_schema(), model().model_dump(by_alias=True)

    def table(properties: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        return "\n".join(
            ["| key | default | meaning |", "| --- | --- | --- |", *_rows(properties, values, schema["$defs"])]
        )

    def block(key: str) -> str:
        return table(_resolve(schema["properties"][key], schema["$defs"])["properties"], defaults[key])

    general = {key: schema["properties"][key] for key in Keys.model_fields if key != "data"}
    sections = (
        f"### `{name}`\n\n{studies[name].title} ({studies[name].source}). {studies[name].question}\n\n{block(name)}"
        for name in settings.sections
    )
    page = _FRAME.read_text(encoding="utf-8")
    for place, text in {
        "GENERAL": table(general, defaults),
        "DATA": block("data"),
        "STUDIES": "\n\n".join(sections),
    }.items():
        page = page.replace(f"\n{place}\n", f"\n{text}\n")
    return page


def _rows(
    properties: Mapping[str, Any], values: Mapping[str, Any], blocks: Mapping[str, Any], above: str = ""
) -> Iterator[str]:
    for key, node in properties.items():
        node = _resolve(node, blocks)
        if "properties" in node:
            yield f"| `{above}{key}` | | {node.get('description', '')} |"
            yield from _rows(node["properties"], values[key], blocks, f"{above}{key}.")
        else:
            default = yaml.safe_dump(values[key], default_flow_style=True, sort_keys=False, width=math.inf)
            bounds = f" ({bounds})" if (bounds := _bounds(node)) else ""
            meaning = node.get("description", "").rstrip(".") + bounds
            yield f"| `{above}{key}` | `{default.splitlines()[0]}` | {meaning and f'{meaning}.'} |"


def _resolve(node: Mapping[str, Any], blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key's schema, with that of the block that it is."""
    return {**blocks.get(node.get("$ref", "").rpartition("/")[2], {}), **node}


def _bounds(node: Mapping[str, Any]) -> str:
    """Say in words which numbers a key may hold, or those in its list."""
    for inner in (*node.get("anyOf", ()), node.get("items"), node.get("additionalProperties")):
        if isinstance(inner, Mapping) and (bounds := _bounds(inner)):
            return bounds
    low, above, high = (node.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    words = [f"a multiple of {node['multipleOf']}"] if "multipleOf" in node else []
    if above is not None:
        words.append(f"more than {above}")
    elif low is not None and high is not None and high <= _SENSIBLE:
        words.append(f"{low:,} to {high:,}")
    elif low:
        words.append(f"at least {low:,}")
    return ", ".join(words).replace("1e-", "1.0e-")
