"""Which pixels are which facial feature."""
