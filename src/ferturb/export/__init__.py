"""A torch model becomes a file that runs without torch."""
