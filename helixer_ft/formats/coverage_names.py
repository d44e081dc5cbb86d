"""Words for coverage that the command line shows; nothing that takes time is imported here."""

DEFAULT_PREFIX = "rnaseq"
NORMALIZATIONS = ("log", "linear", "none")
DEFAULT_NORMALIZATION = "log"
