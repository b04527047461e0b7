"""Long runs in which things break."""
