"""The ninth column: who a line is, and what it belongs to, in GFF3 and in GTF.

GFF3 has ID=...;Parent=..., GTF has gene_id "..."; transcript_id "..."; on every line, and where
AUGUSTUS and its kin write GTF, a gene or transcript has nothing but its bare ID.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

_GTF = re.compile(
    r'\s*[\w.-]+\s+(?:"|[^\s;="]+\s*;)|\s*(?:gene_id|transcript_id|name)\s+\S', re.IGNORECASE
)
_BARE = re.compile(r"[^\s;=\"]+;?")
_VALUE = r'\s+(?:"([^"]*)"|([^";\s]+))'
_TRANSCRIPT_ID = re.compile(r"(?:^|;)\s*transcript_id" + _VALUE)
_GENE_ID = re.compile(r"(?:^|;)\s*gene_id" + _VALUE)
_GFF2_NAME = re.compile(r"(?:^|;)\s*name" + _VALUE)
"""What JGI's GFF2 groups lines by."""

_ANY_ID = re.compile(r"(?:^|;)\s*id=([^;]+)", re.IGNORECASE)
_ANY_PARENT = re.compile(r"(?:^|;)\s*parent=([^;]+)", re.IGNORECASE)
_GENE = re.compile(r"(?:^|;)\s*(?:geneID|gene_id)=([^;]+)")
_NAME = re.compile(r"(?:^|;)\s*Name=([^;]+)")
_PSEUDO = re.compile(
    r"(?:^|;)\s*pseudo(?:gene)?[= ](?!\"?(?:false|no|0)\b)|type[= ]\"?\w*pseudogene", re.IGNORECASE
)


class Names(NamedTuple):
    """What a line is called, what it hangs on, and its gene; empty where it does not say."""

    id: str
    parents: tuple[str, ...]
    gene: str


def unusual_names(attributes: str, category: str, *, gene: bool) -> Names | None:
    """Names of a line without GFF3's ID and Parent.

    Parameters
    ----------
    attributes
        The column.
    category
        "feature" or the kind of part.
    gene
        Whether the line is that of a gene.

    Returns
    -------
    Names or None
        None where the column is neither GFF3 nor GTF.
    """
    text = attributes.strip()
    if text in ("", "."):
        return Names("", (), "")
    if _GTF.match(text):
        return _gtf(text, category, gene)
    if _BARE.fullmatch(text):
        bare = text.rstrip(";")
        return Names(bare, (), "") if category == "feature" else Names("", (bare,), "")
    if "=" not in text:
        return None
    found, parent = _ANY_ID.search(text), _ANY_PARENT.search(text)
    return Names(decoded(found[1]) if found else "", split_names(parent[1]) if parent else (), "")


def _gtf(text: str, category: str, gene: bool) -> Names:
    transcript, owner = _value(_TRANSCRIPT_ID, text), _value(_GENE_ID, text)
    if not transcript and not owner:
        transcript = owner = _value(_GFF2_NAME, text)
    if gene:
        return Names(owner or transcript, (), "")
    if category == "feature":
        return Names(transcript, (), owner)
    above = transcript or owner
    return Names("", (above,) if above else (), owner if transcript else "")


def _value(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return (found[1] or found[2] or "").strip() if found else ""


def is_gtf(attributes: str) -> bool:
    """Whether a column is GTF's: key "value"; ..."""
    return _GTF.match(attributes) is not None


def stated_gene(attributes: str) -> tuple[str, str]:
    """Gene ID and Name that a transcript of GFF3 without Parent has."""
    gene, name = _GENE.search(attributes), _NAME.search(attributes)
    return decoded(gene[1]) if gene else "", decoded(name[1]) if name else ""


def is_pseudo(attributes: str) -> bool:
    """Whether a line is marked as that of a pseudogene."""
    return "seudo" in attributes and _PSEUDO.search(attributes) is not None


@lru_cache(maxsize=64)  # mostly a line's parents are those of the line before
def split_names(value: str) -> tuple[str, ...]:
    """The names of a list, decoded."""
    return tuple(decoded(part) for part in value.split(",") if part.strip())


def decoded(value: str) -> str:
    """A value without GFF3's percent codes."""
    value = value.strip()
    return unquote(value) if "%" in value else value
