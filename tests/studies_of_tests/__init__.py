"""Studies that tests make, beside those of the project and through the same contract."""
