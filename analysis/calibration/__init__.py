"""Are the probabilities honest? Errors, bands of chance, maps that mend them, and comparisons."""
