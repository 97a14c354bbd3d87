"""Published deep-learning notebooks, re-run cell by cell and compared figure by figure."""

import sys

__version__ = "0.1.0"

# For jsonschema, which nbformat uses: it would build a grammar of URIs, which takes a second at every start, for a check
# of texts that nobody here asks for.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None keeps Python from importing it
