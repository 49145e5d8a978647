"""What a report says beyond the scores of its rows: summary, calibration, baselines, mistakes, changes, CSV.

Runs in the driver or in any terminal. Imports `plan`, `storage`, `worker` and the report's scores and differences.
"""
