"""Ways to use a balancer: one file each, with its `TRAFFICS`."""
