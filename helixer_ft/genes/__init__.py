"""Predicted gene models scored: against a reference, or by what shows without one.

Gene models are read by `helixer_ft.genome`; definitions are in docs/gene_scores.md.
"""
