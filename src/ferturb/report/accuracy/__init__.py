"""How well the models do."""
