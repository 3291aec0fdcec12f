"""Other people's optimizers, each in a process of its own environment."""
