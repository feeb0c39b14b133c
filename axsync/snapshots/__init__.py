"""What can be done with snapshots that are there: verify them, compare two of them, clear away what nobody needs."""
