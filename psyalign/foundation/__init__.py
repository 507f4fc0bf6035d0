"""What every room stands on: errors, files, hashes, seeds, tables, provenance."""
