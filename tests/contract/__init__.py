"""One suite of the stores' promises, run on every implementation."""
