"""A handover on one machine, to look at: real processes, real Redis, and a ledger that counts what was lost."""
