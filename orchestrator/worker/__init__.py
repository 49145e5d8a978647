"""One run's training and test: the loop, what it reads, and the watchdog over it.

Runs in a Ray Train worker. Imports `plan` and `storage`.
"""
