"""What face masks take."""
