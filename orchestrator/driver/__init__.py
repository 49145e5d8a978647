"""A plan from recordings to report: preparation, the Tuner, the terminal, and the search for a recipe.

Runs in the driver. Imports every other folder of `orchestrator`.
"""
