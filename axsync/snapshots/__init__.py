"""What can be done with snapshots that are there: verify them, compare two of them."""
