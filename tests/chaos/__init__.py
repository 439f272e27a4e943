"""Chaos: three engines as processes and everything that they talk to, under faults of every kind and one seed."""
