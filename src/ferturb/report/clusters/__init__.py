"""What the clusters of the Perturb Scheme are."""
