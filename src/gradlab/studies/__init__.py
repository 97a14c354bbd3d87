"""The studies, a folder each; `gradlab.engine.study.discover` finds them."""
