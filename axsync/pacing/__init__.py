"""Client-side load control for one host: permits, adaptive limits, health, page sizes, retries."""
