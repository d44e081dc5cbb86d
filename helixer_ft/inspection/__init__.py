"""What a file holds: a model, data, or predictions; nothing is loaded into a network."""
