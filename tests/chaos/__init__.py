"""Long runs in which nodes, Redis, the balancer and the network break at random, and nothing may be lost."""
