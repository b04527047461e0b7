"""The media service behind one interface."""
