"""The Crossbar node: its configuration, its life and death, and everything of Crossbar that we touch."""
