"""Simulated scores, the populations behind them, and how many persons an analysis needs.

Nothing here describes real persons.
"""
