"""Decisions as pure state machines: what happened goes in, what is to be done comes out."""
