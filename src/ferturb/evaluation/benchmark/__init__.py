"""FER-Behind: what is left of a model's accuracy when parts of the face are left behind."""
