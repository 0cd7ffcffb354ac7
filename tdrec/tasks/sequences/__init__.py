"""Students that predict what a user sees next: their configuration, data, scores and training."""
