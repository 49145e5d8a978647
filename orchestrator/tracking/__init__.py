"""MLflow as a view of the run folders: what is logged where, and what a server's refusals mean.

Runs in the driver, or in the process of experiments/track.py. Imports `plan`, `storage` and `report`.
"""

import os

# Read by mlflow when it is imported. It would send which calls a lab makes to its makers.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
