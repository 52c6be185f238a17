"""FER-Behind in print: the profile of a model, beside others."""
