"""Two published deep-learning notebooks, re-run cell by cell and compared figure by figure."""

__version__ = "0.1.0"
