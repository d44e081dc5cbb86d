"""Batch-norm statistics of a genome in a trained model: no labels, no training."""
