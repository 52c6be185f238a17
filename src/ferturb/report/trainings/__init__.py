"""What was trained, on which faces, and how it went."""
