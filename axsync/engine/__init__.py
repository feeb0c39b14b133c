"""Reads a lane: which pages to request, how many requests in flight, how much memory their pages may take."""
