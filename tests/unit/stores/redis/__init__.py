"""The Redis store's own: scripts, connection, pipelining."""
