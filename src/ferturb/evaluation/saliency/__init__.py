"""Saliency maps, their mass per facial feature, and whether they can be believed."""
