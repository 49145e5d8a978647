"""Recordings to batches: corpora -> Manifest -> Shards -> stream. Knows neither models nor MLflow."""
