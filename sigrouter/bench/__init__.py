"""Measures what a relayed message costs the server, beside bare Crossbar doing the same in the same run."""
