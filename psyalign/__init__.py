"""psyalign: fair machine scoring of constructed responses, aligned with rater feedback."""

import os

__version__ = "0.1.0"

# Read when torch loads its thread library, wherever that is first imported. Idle threads that
# spin make training several times slower on a machine that does other work too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
