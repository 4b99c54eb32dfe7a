"""What the commands write on the terminal: tables, progress, a running training."""
