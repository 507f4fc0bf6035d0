"""The drawings of a report, one file each; matplotlib is loaded only when one is drawn."""
