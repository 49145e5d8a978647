"""What a run leaves on the disk: run folders and their scores, the lock, recovery of damaged files, pretrained weights.

Runs anywhere. Imports `plan` alone.
"""
