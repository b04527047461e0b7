"""The components in an in-process router."""
