"""Genome and gene models -> Helixer's training data.

`fasta` and `gff3` read the files, `labels` turns gene models into labels and masks, `windows` and
`writer` into rows of a data file; `split` and `advice` look at the whole. `prepare` runs it all.
"""
