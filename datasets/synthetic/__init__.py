"""Synthetic corpora in the layouts of UTD-MHAD and MMAct: one 3-D figure that moves, filmed and measured."""
