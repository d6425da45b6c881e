"""Starting a training job on several ranks, and watching over it."""
