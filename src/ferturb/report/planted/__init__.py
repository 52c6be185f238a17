"""What was planted in the drawn faces, and what of it is found."""
