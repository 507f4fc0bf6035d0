"""`python -m psyalign` is `psyalign`."""

from psyalign.cli.main import main

if __name__ == "__main__":
    main()
