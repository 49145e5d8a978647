"""Tensors in, tensors out. Knows neither Ray nor MLflow nor where clips come from."""
