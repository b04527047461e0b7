"""The use cases: each loads, steps a machine, stores, and performs its effects."""
