"""Edge cases of automatic differentiation (F §1)."""
