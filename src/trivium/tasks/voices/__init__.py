"""Speaker verification: whether two recordings are of one speaker."""
