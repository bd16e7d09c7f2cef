"""The experiment on this machine: namespaces, a real load balancer, two captures."""
