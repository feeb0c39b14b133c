"""What can be done with snapshots that are there: verify, compare and forget them, read them from Python."""
