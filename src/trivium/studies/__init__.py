"""A paper's claims put to the test: cells to train, a test for each claim, one report."""
