"""Whether this machine, with its accelerators, is fit to train, and computes what it should."""
