"""The Ray that a plan runs on: joining or starting one, what a run takes of it, and whether every run can be placed.

Runs in the driver. Imports `plan` and `storage`.
"""
