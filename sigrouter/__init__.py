"""A signaling server that can be redeployed at any moment without anyone noticing."""

__version__ = "0.1.0"
