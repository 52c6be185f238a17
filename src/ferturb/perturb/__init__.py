"""The Perturb Scheme."""
