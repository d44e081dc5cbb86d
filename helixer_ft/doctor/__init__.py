"""Whether this machine and its accelerators are fit to train and compute correctly."""
