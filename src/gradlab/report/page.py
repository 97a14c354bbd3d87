"""Renders a page of the report from a template: with style and scripts in itself, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradlab import __version__
from gradlab.files import atomic_path
from gradlab.report.links import Links
from gradlab.report.svg import SCHEME
from gradlab.report.text import print_figure

TEMPLATES = Path(__file__).with_name("templates")


def render_page(file: Path, template: str, links: Links, *, scripts: Sequence[str], **context: Any) -> None:
    """Write a page.

    Parameters
    ----------
    file
        Where it goes.
    template, scripts
        Files among `TEMPLATES`; the template extends `page.html.j2`.
    links
        Addresses as they are from this page.
    context
        What the template shows.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"figure": print_figure, "origin": links.origin, "evidence": links.evidence}
    script = "".join(map(read_template, scripts))
    html = environment.get_template(template).render(
        version=__version__,
        style=read_template("style.css") + SCHEME,
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **context,
    )
    write_text(file, html)


def read_template(name: str) -> str:
    """Return a file among the templates."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def write_text(file: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
