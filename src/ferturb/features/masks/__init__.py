"""Face masks that are worn, and other occluders: MaskFer of any data set."""
