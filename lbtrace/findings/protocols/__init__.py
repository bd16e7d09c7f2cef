"""Protocols: changed by the balancer, switched by an upgrade, or misunderstood."""
