"""What known load balancers do: one TOML each, and how well one fits what was seen."""
