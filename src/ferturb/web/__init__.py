"""The parts of the web page: what it answers, and what it lets in."""
