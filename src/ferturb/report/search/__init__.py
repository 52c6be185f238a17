"""What a search for hyperparameters found, as a page."""
