"""The node's own personality and the private Crossbar attributes that it touches."""
