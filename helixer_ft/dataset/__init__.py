"""Subsequences to train, score and predict on: rows of data files, decoded, cached, batched."""
