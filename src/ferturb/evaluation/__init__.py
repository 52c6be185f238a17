"""Judging stored logits and trained models."""
