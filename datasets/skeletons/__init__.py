"""Skeletons: joints over time. What the joints are called, how a file is read, and how a clip is varied."""
