"""What the node answers over plain HTTP."""
