"""Where the models look."""
