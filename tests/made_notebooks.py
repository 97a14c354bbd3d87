"""Notebooks with something wrong, made from sound ones."""

import json
from collections.abc import Callable
from typing import Any


def damage(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a function of a notebook's bytes that loads it, changes it and writes it again."""

    def write(content: bytes) -> bytes:
        notebook = json.loads(content)
        change(notebook)
        return json.dumps(notebook).encode()

    return write
