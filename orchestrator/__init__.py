"""Decides what runs and where, and records it: launch (driver) > run (trial) > train (worker)."""
