"""Whether a training job fits a GPU, and how long it takes: computed before anything is loaded."""
