"""A search for hyperparameters: trials of changed runs, chosen on the validation split."""
