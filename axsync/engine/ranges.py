"""Row ranges [from, to)."""


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same rows in disjoint ranges, in order."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def holes_between(ranges: list[tuple[int, int]], upto: int) -> list[tuple[int, int]]:
    """What ordered ranges leave open below `upto`."""
    holes, at = [], 0
    for start, stop in ranges:
        if start > at:
            holes.append((at, min(start, upto)))
        at = max(at, stop)
    holes.append((at, upto))
    return [h for h in holes if h[0] < h[1]]
