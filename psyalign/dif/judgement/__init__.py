"""What the numbers are called: classes, corrections for many tests, shrinkage, equivalence."""
