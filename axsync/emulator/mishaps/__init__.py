"""Mishaps on demand: what goes wrong, where, how often."""
