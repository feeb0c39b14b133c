"""Faults on demand: what they are, and where in the life of a request each is injected."""
