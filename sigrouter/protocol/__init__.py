"""What is said on the wire: the URIs, the errors and the shapes of the messages."""
