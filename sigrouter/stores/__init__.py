"""Where sessions, channels, pairs, nodes and handovers are kept: the promises, and who keeps them."""
