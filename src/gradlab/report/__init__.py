"""The report: HTML pages made from results and ledger."""
