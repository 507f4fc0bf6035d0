"""Two or more sets of scores of the same persons: paired changes and what became of each item."""
