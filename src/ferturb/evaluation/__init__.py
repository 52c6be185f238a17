"""What stored logits and trained models are worth."""
