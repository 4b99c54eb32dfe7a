"""ABX: whether a phone is nearer to another of its kind than to another phone."""
