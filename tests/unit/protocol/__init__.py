"""The URIs, the refusals and the shapes of messages."""
