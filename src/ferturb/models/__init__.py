"""Faces to logits."""
