"""Tables, captions, style and files: what all parts of the report look like."""
