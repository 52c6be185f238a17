"""Other people's models in the forms that they come in: each file opens one of them."""
