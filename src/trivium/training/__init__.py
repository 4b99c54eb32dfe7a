"""One engine for every system: phases, optimizer, steps, checkpoints."""
