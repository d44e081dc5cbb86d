"""What a file contains: a model, data, or predictions; no network is built."""
