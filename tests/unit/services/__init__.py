"""One use case each, on the memory store and a fake clock."""
