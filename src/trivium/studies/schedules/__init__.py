"""The study `schedules`: whether both losses are trained at once or one after the other."""
