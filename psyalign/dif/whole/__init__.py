"""More than one item at a time: resampled persons, differential test functioning."""
