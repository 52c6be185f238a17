"""Which facial features the models need."""
