"""One training as a folder; nothing else reads or writes it."""
