"""What was measured for the documentation: programs and what they measure with, no API."""
