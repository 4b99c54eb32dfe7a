"""What a model is measured by: each task returns a score that carries its signature."""
