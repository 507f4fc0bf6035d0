"""One DIF method a file: a kernel on arrays with any leading axes, and a function on a cell table."""
