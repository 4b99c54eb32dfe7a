"""Formulas that several systems share."""
