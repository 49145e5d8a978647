"""A finished run in use: predictions of files, export, the served model, and what a network looks at.

Runs anywhere. Imports `plan`, `storage`, `worker`, the report's pictures and, to register a model, `tracking`.
"""
