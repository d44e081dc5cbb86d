"""Coverage tracks for data files: aligned reads (BAM, CRAM) and signals per base (bigWig)."""
