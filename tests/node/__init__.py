"""Real Crossbar processes, real Redis, real HAProxy."""
