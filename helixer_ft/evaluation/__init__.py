"""Scores of trained models on labelled data, side by side."""
