"""The store that many nodes share: Redis, one script and one round trip for each promise."""
