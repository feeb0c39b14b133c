"""How fast a host is asked: permits, adaptive limits, its health, page sizes, retries."""
