"""Figures of the notebooks and of the report; one module for each study, `style` for what they share."""
