"""One run as one TorchTrainer.fit, and whether it is tried again after a failure.

Runs in a Ray Tune trial. Imports `worker`, `storage` and `plan`.
"""
