"""Tasks whose answers are texts: recognition and translation."""
