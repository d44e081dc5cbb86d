"""The third column: genes, transcripts, their parts, and types that are none of these."""

import re
from functools import cache

NEVER_TRANSCRIPTS = {"protein", "polypeptide"}
"""What some files name as a second parent of CDS."""
_TRANSCRIPT = re.compile(r".*rna|.*transcript|.*_segment", re.IGNORECASE)

_EXONS = {"exon", "pseudogenic_exon", "coding_exon"}
_CDS = {"cds"}
_STOPS = {"stop_codon"}
_UTRS = {
    *("five_prime_utr", "three_prime_utr", "utr", "5utr", "3utr", "5'-utr", "3'-utr"),
    *("5'utr", "3'utr", "utr5", "utr3", "noncoding_exon"),
}
_IGNORED = re.compile(
    r"match|match_part|.*_match|.*_match_part|.*_repeat|repeat_region|similarity|intron|.*_intron"
    r"|start_codon|.*splice_site|tss|tts|transcription_.*_site|biological_region"
)
"""Types that are neither genes, nor transcripts, nor parts of them; some come by the million."""


@cache
def category_of(kind: str) -> str:
    """What lines of a type are: "exon", "cds", "utr", "stop", "ignored"; "feature" all others."""
    lower = kind.lower()
    for category, types in (("exon", _EXONS), ("cds", _CDS), ("utr", _UTRS), ("stop", _STOPS)):
        if lower in types:
            return category
    return "ignored" if _IGNORED.fullmatch(lower) else "feature"


def is_gene(kind: str) -> bool:
    """Whether a type is that of a gene."""
    return kind.lower().endswith("gene")


def is_transcript(kind: str) -> bool:
    """Whether a type is that of a transcript by its name; others may be transcripts, too."""
    return _TRANSCRIPT.fullmatch(kind) is not None
