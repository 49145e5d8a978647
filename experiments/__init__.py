"""One file a question; each only builds the cells of its answer and calls launch."""
