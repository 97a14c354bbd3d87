"""How Sphinx builds the documentation, by `make docs`: pages in Markdown, and the API from docstrings."""

import gradlab

project = "gradlab"
copyright = "The gradlab authors"
release = gradlab.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"gradlab {release}"
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # the signature has them
napoleon_google_docstring = False
