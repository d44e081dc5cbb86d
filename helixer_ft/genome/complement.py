"""The other strand: which letter pairs with which."""

import numpy as np

COMPLEMENT = bytes(range(256)).translate(bytes.maketrans(b"ACGTRYKMBDHV", b"TGCAYRMKVHDB"))
"""For `bytes.translate`: upper-case IUPAC codes; every other byte stays as it is."""
COMPLEMENTS = np.frombuffer(COMPLEMENT, np.uint8)
"""(256,) the same, to look up ASCII codes."""
