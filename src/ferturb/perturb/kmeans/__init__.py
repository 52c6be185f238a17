"""K-means over the pixels of many faces at once."""
