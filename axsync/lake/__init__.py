"""Everything about the files of a lake: names, parts, journal, manifests, publication."""
