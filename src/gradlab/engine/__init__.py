"""From configuration to ledger: what cells there are, how one runs, what is done, and how its numbers compare."""
