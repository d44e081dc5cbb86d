"""Labels from a model's own predictions: a genome without annotation -> training data.

docs/pseudo_label.md has the rules in words.
"""
