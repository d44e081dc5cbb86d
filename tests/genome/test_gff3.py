"""GFF3 as its many writers write it, and as it goes wrong."""

import bz2
import gzip
import random
import re

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Annotation, Gene, Transcript
from helixer_ft.genome.gff3 import read_annotation
from helixer_ft.preparation.labels import label_sequence
from helixer_ft.progress import Progress

LENGTHS = {"chr1": 10_000, "chr2": 500}


def write(path, *lines, ends="\n"):
    """Lines with blanks for tabs in the first eight columns."""
    rows = ["\t".join(re.split(" +", line, maxsplit=8)) for line in lines]
    path.write_bytes((ends.join(rows) + ends).encode())
    return path


@pytest.fixture
def read(tmp_path):
    def _read(*lines, lengths=LENGTHS, **options):
        return read_annotation(write(tmp_path / "genes.gff3", *lines), lengths, **options)

    return _read


def kinds(annotation: Annotation) -> dict[str, int]:
    return {notice.kind: notice.count for notice in annotation.notices}


GENE = "chr1 x gene 101 900 . + . ID=g"
MRNA = "chr1 x mRNA 101 900 . + . ID=t;Parent=g"
EXONS = ["chr1 x exon 101 300 . + . Parent=t", "chr1 x exon 501 900 . + . Parent=t"]
CDS = ["chr1 x CDS 151 300 . + 0 ID=c;Parent=t", "chr1 x CDS 501 800 . + 0 ID=c;Parent=t"]
PLAIN = [GENE, MRNA, *EXONS, *CDS]
TRANSCRIPT = Transcript("t", 100, 900, ((100, 300), (500, 900)), ((150, 300, 0), (500, 800, 0)))
MODEL = Gene("g", "+", 100, 900, (TRANSCRIPT,))
QUIET = {"sequences of the genome without genes": 1}


def test_a_plain_file(read):
    annotation = read("##gff-version 3", "", "# comment", *PLAIN, "###")
    assert annotation.genes == {"chr1": [MODEL], "chr2": []}
    assert kinds(annotation) == QUIET
    (notice,) = annotation.notices
    assert str(notice) == "sequences of the genome without genes: 1 (for example chr2)"


def test_links_count_and_not_the_order_of_lines(read):
    other = [line.replace("=g", "=h").replace("=t", "=u").replace("=c", "=d") for line in PLAIN]
    lines = PLAIN + [line.replace("chr1", "chr2", 1) for line in other[:0]] + other
    expected = read(*lines).genes["chr1"]
    for seed in range(20):
        shuffled = random.Random(seed).sample(lines, len(lines))
        found = read(*shuffled).genes["chr1"]
        assert sorted(found, key=lambda gene: gene.id) == expected
        order = [line for line in shuffled if " gene " in line]
        assert [gene.id for gene in found] == [line[-1] for line in order]


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, "bgzip"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_packed_files_and_line_ends(tmp_path, pack, ends):
    path = write(tmp_path / "genes.gff3", *PLAIN, ends=ends)
    data = path.read_bytes()
    if pack == "bgzip":  # many gzip members, an empty one at the end
        data = b"".join(gzip.compress(data[i : i + 50]) for i in range(0, len(data), 50))
        data += gzip.compress(b"")
    else:
        data = pack(data)
    path.write_bytes(data)
    assert read_annotation(path, LENGTHS).genes["chr1"] == [MODEL]


def test_a_byte_order_mark_and_letters_beyond_ascii(tmp_path):
    path = write(tmp_path / "genes.gff3", *PLAIN[:1], f"{MRNA};Note=Ångström", *PLAIN[2:])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace("Å".encode(), b"\xc5"))
    assert read_annotation(path, LENGTHS).genes["chr1"] == [MODEL]


def test_sequence_at_the_end_is_passed_over(read):
    assert read(*PLAIN, "##FASTA", ">chr1", "ACGT").genes["chr1"] == [MODEL]
    assert read(*PLAIN, ">chr1", "ACGT").genes["chr1"] == [MODEL]


def test_percent_codes_are_decoded_after_names_are_parted(read):
    lines = [line.replace("=t", "=t%2C%201") for line in PLAIN]
    assert read(*lines).genes["chr1"][0].transcripts[0].id == "t, 1"
    lines = [line.replace("chr1", "chr%31", 1) for line in PLAIN]
    assert read(*lines).genes["chr1"] == [MODEL]


# ---------------------------------------------------------------- dialects


def test_ensembl(read):
    annotation = read(
        "chr1 E chromosome 1 10000 . . . ID=chromosome:chr1",
        "chr1 . biological_region 5 20000 . . . logic_name=x",
        "chr1 E gene 101 900 . + . ID=gene:G1;biotype=protein_coding",
        "chr1 E mRNA 101 900 . + . ID=transcript:T1;Parent=gene:G1",
        "chr1 E five_prime_UTR 101 150 . + . Parent=transcript:T1",
        "chr1 E exon 101 300 . + . Parent=transcript:T1;Name=e1",
        "chr1 E CDS 151 300 . + 0 ID=CDS:P1;Parent=transcript:T1",
        "chr1 E exon 501 900 . + . Parent=transcript:T1;Name=e2",
        "chr1 E CDS 501 800 . + 0 ID=CDS:P1;Parent=transcript:T1",
        "chr1 E ncRNA_gene 1001 1100 . - . ID=gene:G2",
        "chr1 E lnc_RNA 1001 1100 . - . ID=transcript:T2;Parent=gene:G2",
        "chr1 E exon 1001 1100 . - . Parent=transcript:T2",
        "chr1 E pseudogene 2001 2100 . - . ID=gene:G3",
        "chr1 E pseudogenic_transcript 2001 2100 . - . ID=transcript:T3;Parent=gene:G3",
        "chr1 E exon 2001 2100 . - . Parent=transcript:T3",
    )
    coding, other, pseudo = annotation.genes["chr1"]
    assert coding.transcripts[0].cds == TRANSCRIPT.cds
    assert coding.transcripts[0].exons == TRANSCRIPT.exons
    assert (other.id, other.strand, other.start, other.end) == ("gene:G2", "-", 1000, 1100)
    assert [gene.coding for gene in (coding, other, pseudo)] == [True, False, False]
    assert other.transcripts[0].kind == "lnc_RNA"
    assert kinds(annotation) == QUIET


def test_ncbi(read):
    annotation = read(
        "chr1 RefSeq region 1 10000 . + . ID=chr1:1..10000;Dbxref=taxon:1",
        "chr1 G gene 101 900 . + . ID=gene-A;Dbxref=GeneID:1",
        "chr1 G mRNA 101 900 . + . ID=rna-1;Parent=gene-A",
        "chr1 G exon 101 300 . + . ID=exon-1-1;Parent=rna-1",
        "chr1 G exon 501 900 . + . ID=exon-1-2;Parent=rna-1",
        "chr1 G CDS 151 300 . + 0 ID=cds-1;Parent=rna-1",
        "chr1 G CDS 501 800 . + 0 ID=cds-1;Parent=rna-1",
        "chr1 G gene 1001 1300 . - . ID=gene-mir",
        "chr1 G primary_transcript 1001 1300 . - . ID=rna-2;Parent=gene-mir",
        "chr1 G exon 1001 1300 . - . ID=exon-2-1;Parent=rna-2",
        "chr1 G miRNA 1101 1121 . - . ID=rna-3;Parent=rna-2",
        "chr1 G exon 1101 1121 . - . ID=exon-3-1;Parent=rna-3",
        # organelles and some others: CDS directly under the gene
        "chr1 G gene 2001 2300 . - . ID=gene-psbA",
        "chr1 G CDS 2001 2300 . - 0 ID=cds-psbA;Parent=gene-psbA",
        "chr1 RefSeq cDNA_match 1 20000 . + . ID=aln1;Target=x",
    )
    coding, mir, direct = annotation.genes["chr1"]
    assert (coding.id, coding.transcripts[0].cds) == ("gene-A", TRANSCRIPT.cds)
    assert [transcript.id for transcript in mir.transcripts] == ["rna-2", "rna-3"]
    assert direct.transcripts == (
        Transcript("gene-psbA", 2000, 2300, ((2000, 2300),), ((2000, 2300, 0),), "gene"),
    )
    made = "coding transcripts without exons, made from CDS and UTR"
    assert kinds(annotation) == {**QUIET, made: 1}


def test_exons_made_from_cds_and_utr(read):
    """Phytozome: no exon lines; a UTR piece that touches the CDS belongs to the same exon."""
    annotation = read(
        GENE,
        MRNA + ";longest=1",
        "chr1 p five_prime_UTR 101 120 . + . Parent=t",
        "chr1 p five_prime_UTR 131 150 . + . Parent=t",
        *CDS,
        "chr1 p three_prime_UTR 801 900 . + . Parent=t",
    )
    (transcript,) = annotation.genes["chr1"][0].transcripts
    assert transcript.exons == ((100, 120), (130, 300), (500, 900))


def test_cds_alone_reaches_out_to_the_ends_of_its_transcript(read):
    """SGD, BRAKER: no exon and no UTR lines."""
    (transcript,) = read(GENE, MRNA, *CDS).genes["chr1"][0].transcripts
    assert transcript.exons == TRANSCRIPT.exons


def test_braker_and_augustus(read):
    annotation = read(
        "chr1 AUGUSTUS gene 101 900 0.9 + . ID=g1;",
        "chr1 AUGUSTUS transcript 101 900 0.9 + . ID=g1.t1;Parent=g1",
        "chr1 AUGUSTUS start_codon 101 103 . + 0 ID=g1.t1.start1;Parent=g1.t1;",
        "chr1 AUGUSTUS CDS 101 300 0.9 + 0 ID=g1.t1.CDS1;Parent=g1.t1;",
        "chr1 AUGUSTUS exon 101 300 . + . ID=g1.t1.exon1;Parent=g1.t1;",
        "chr1 AUGUSTUS intron 301 500 0.9 + . ID=g1.t1.intron1;Parent=g1.t1;",
        "chr1 AUGUSTUS CDS 501 900 0.9 + 1 ID=g1.t1.CDS2;Parent=g1.t1;",
        "chr1 AUGUSTUS exon 501 900 . + . ID=g1.t1.exon2;Parent=g1.t1;",
        "chr1 AUGUSTUS stop_codon 898 900 . + 0 ID=g1.t1.stop1;Parent=g1.t1;",
    )
    assert annotation.genes["chr1"] == [
        Gene(
            "g1",
            "+",
            100,
            900,
            (
                Transcript(
                    "g1.t1",
                    100,
                    900,
                    ((100, 300), (500, 900)),
                    ((100, 300, 0), (500, 900, 1)),
                    "transcript",
                ),
            ),
        )
    ]


def test_parts_with_several_parents(read):
    """TAIR: CDS of a transcript and its protein; exons that transcripts share."""
    annotation = read(
        GENE,
        MRNA,
        "chr1 x mRNA 101 900 . + . ID=u;Parent=g",
        "chr1 x protein 151 800 . + . ID=t-Protein;Derives_from=t",
        *(line.replace("Parent=t", "Parent=t,u") for line in EXONS),
        *(line.replace("Parent=t", "Parent=t,t-Protein") for line in CDS),
    )
    coding, other = annotation.genes["chr1"][0].transcripts
    assert coding == TRANSCRIPT
    assert (other.exons, other.cds) == (TRANSCRIPT.exons, ())
    assert kinds(annotation) == QUIET


@pytest.mark.parametrize("order", [0, -1])
def test_an_unknown_parent_beside_a_known_one_is_no_gene(read, order):
    """TAIR's CDS where the lines of the proteins were taken out."""
    cds = [line.replace("Parent=t", "Parent=t,t-Protein") for line in CDS]
    annotation = read(*[GENE, MRNA, *EXONS, *cds][:: 1 if order == 0 else -1])
    (gene,) = annotation.genes["chr1"]
    assert [transcript.id for transcript in gene.transcripts] == ["t"]
    assert gene.transcripts[0].cds == TRANSCRIPT.cds
    assert kinds(annotation)["parents that are not in the file"] == 1


def genes_of(annotation: Annotation) -> list[tuple]:
    return [
        (gene.id, gene.strand, gene.start, gene.end, gene.problem, [t.id for t in gene.transcripts])
        for gene in annotation.genes["chr1"]
    ]


def second(*lines: str, **names: str) -> list[str]:
    """A copy of a gene 4 kb further on, with other IDs."""
    moved = []
    for line in lines:
        fields = re.split(" +", line, maxsplit=8)
        fields[3:5] = [str(int(place) + 4000) for place in fields[3:5]]
        attributes = fields[8].replace("ID=c;", "")
        for old, new in names.items():
            attributes = re.sub(rf"={old}\b", f"={new}", attributes)
        moved.append(" ".join([*fields[:8], attributes]))
    return moved


def test_genes_that_have_one_id(read):
    """Each line with transcripts of its own within it is a gene; what they are is known."""
    annotation = read(*PLAIN, *second(*PLAIN, t="u"))
    assert genes_of(annotation) == [
        ("g", "+", 100, 900, "", ["t"]),
        ("g", "+", 4100, 4900, "", ["u"]),
    ]
    assert kinds(annotation)["gene IDs that several genes have"] == 1


def test_a_transcript_id_in_two_genes_joins_them_to_what_cannot_be_labelled(read):
    one = [GENE, MRNA, "chr1 x exon 101 900 . + . Parent=t", "chr1 x CDS 151 800 . + 0 Parent=t"]
    annotation = read(*one, *second(*one, g="h"))
    assert genes_of(annotation) == [
        ("g", "+", 100, 900, "mixed_strands", ["t"]),
        ("g", "+", 4100, 4900, "mixed_strands", []),
    ]


def test_gtf_transcripts_that_several_genes_have(read):
    """NCBI gives all CDS without mRNA one transcript_id."""

    def gtf(gene: str, start: int) -> list[str]:
        named = f'gene_id "{gene}"; transcript_id'
        return [
            f'chr1 RefSeq gene {start} {start + 299} . + . {named} "";',
            f'chr1 RefSeq CDS {start} {start + 296} . + 0 {named} "unknown_transcript_1";',
            f"chr1 RefSeq stop_codon {start + 297} {start + 299} . + 0 {named} "
            '"unknown_transcript_1";',
        ]

    annotation = read(*gtf("A", 1001), *gtf("B", 6001))
    assert genes_of(annotation) == [
        ("A", "+", 1000, 1300, "", ["unknown_transcript_1"]),
        ("B", "+", 6000, 6300, "", ["unknown_transcript_1 of B"]),
    ]
    assert [gene.transcripts[0].cds for gene in annotation.genes["chr1"]] == [
        ((1000, 1300, 0),),
        ((6000, 6300, 0),),
    ]


def test_cds_lines_that_differ_in_their_phase_alone(read):
    """The first that is known counts."""
    for other in (".", "1"):
        again = [re.sub(r" \+ 0 ", f" + {other} ", line) for line in CDS]
        assert read(GENE, MRNA, *EXONS, *CDS, *again).genes["chr1"] == [MODEL]
    unknown = [line.replace(" + 0 ", " + . ") for line in CDS]
    assert read(GENE, MRNA, *EXONS, *unknown, *CDS).genes["chr1"] == [MODEL]


def test_a_gene_on_both_sides_of_the_origin(read):
    around = "chr2 x region 1 500 . + . ID=r;Is_circular=true"
    parts = [
        f"chr2 x {kind} {span} . + {phase} ID={name}"
        for kind, phase, name in (("gene", ".", "g"), ("CDS", "0", "c;Parent=g"))
        for span in ("401 500", "1 101")
    ]
    genes = read(around, *parts).genes["chr2"]
    assert sorted((gene.start, gene.end, gene.problem) for gene in genes) == [
        (0, 101, "crosses_origin"),
        (400, 500, "crosses_origin"),
    ]
    genes = read(*parts).genes["chr2"]  # of a sequence that is not circular, two pieces
    assert [gene.problem for gene in genes] == [""]


@pytest.mark.parametrize("value", ["false", "no", "0"])
def test_a_gene_that_says_it_is_no_pseudogene(read, value):
    assert read(f"{GENE};pseudo={value}", *PLAIN[1:]).genes["chr1"] == [MODEL]
    assert read(f"{GENE};pseudo=true", *PLAIN[1:]).genes["chr1"][0].problem == "pseudogene"


def test_blanks_around_equals_signs(read):
    assert read(*(line.replace("=", " = ") for line in PLAIN)).genes["chr1"] == [MODEL]


def test_a_name_that_looks_encoded(read):
    lengths = {"chr%41": 10_000}
    lines = [line.replace("chr1", "chr%41", 1) for line in PLAIN]
    assert read(*lines, lengths=lengths).genes["chr%41"] == [MODEL]


def test_liftoff_and_helixer_attributes(read):
    lines = [
        GENE + ";coverage=1.0;sequence_ID=0.99;extra_copy_number=0;copy_num_ID=g_0",
        MRNA + ";matches_ref_protein=True",
        *EXONS,
        *CDS,
    ]
    assert read(*lines).genes["chr1"] == [MODEL]


def test_transcripts_without_gene_line_are_genes(read):
    assert read(MRNA.replace(";Parent=g", ""), *EXONS, *CDS).genes["chr1"][0].id == "t"
    annotation = read(MRNA, *EXONS, *CDS)
    assert annotation.genes["chr1"] == [Gene("t", "+", 100, 900, (TRANSCRIPT,))]
    assert kinds(annotation)["parents that are not in the file"] == 1
    # a sequence as parent is no gene
    region = "chr1 x chromosome 1 10000 . . . ID=chr1"
    found = read(region, MRNA.replace("=g", "=chr1"), *EXONS, *CDS).genes["chr1"]
    assert [gene.id for gene in found] == ["t"]


def test_cds_of_the_gene_beside_that_of_its_transcripts(read):
    both = [line.replace("Parent=t", "Parent=g,t") for line in CDS]
    annotation = read(GENE, MRNA, *EXONS, *both)
    assert annotation.genes["chr1"] == [MODEL]
    assert any("the genes' left out" in kind for kind in kinds(annotation))
    # CDS under the gene, exons under its only transcript
    annotation = read(GENE, MRNA, *EXONS, *(line.replace("=t", "=g") for line in CDS))
    assert annotation.genes["chr1"] == [MODEL]


def test_gene_lines_without_anything_are_neighbours(read):
    annotation = read(*PLAIN, "chr1 x tRNA_gene 2001 2080 . - . Name=nameless")
    assert annotation.genes["chr1"][1] == Gene("line 7", "-", 2000, 2080, ())


# ---------------------------------------------------------------- names of sequences


def test_names_that_match_up_to_the_first_blank(read):
    lines = [line.replace("chr1", "chr1%20dna:chromosome", 1) for line in PLAIN]
    annotation = read(*lines)
    assert annotation.genes["chr1"] == [MODEL]
    assert kinds(annotation)["names of sequences that match the genome's up to the first blank"]
    annotation = read(*PLAIN, lengths={"chr1 assembled": 10_000})
    assert annotation.genes["chr1 assembled"] == [MODEL]


def test_sequences_that_only_one_file_has(read):
    annotation = read(*PLAIN, "chr9 x gene 1 99999 . + . ID=h")
    assert kinds(annotation) == {**QUIET, "sequences that are not in the genome, left out": 1}
    with pytest.raises(InputError) as error:
        read(*PLAIN, lengths={"1": 10_000, "2": 500, "3": 5, "4": 5})
    assert "It has chr1, the genome 1, 2, 3, ... (4 in all). Give files" in str(error.value)


def test_excluded_sequences_are_passed_over(read):
    annotation = read(*PLAIN, "chr2 x gene 1 99999 . + . ID=h", exclude=["chr2"])
    assert annotation.genes == {"chr1": [MODEL]}
    assert annotation.notices == ()


def test_lengths_that_differ_are_noticed(read):
    annotation = read("##sequence-region chr1 1 9999", "##sequence-region chr2 1 500", *PLAIN)
    (found,) = (notice for notice in annotation.notices if "(##sequence-region)" in notice.kind)
    assert (found.count, found.example) == (1, "chr1: 9,999 bp, in the genome 10,000 bp")


# ---------------------------------------------------------------- trusted genes


SECOND = [line.replace("=g", "=h").replace("=t", "=u").replace("=c", "=d") for line in PLAIN]
THIRD = "chr1 x mRNA 201 900 . + . ID=t2;Parent=g"
THIRD_PARTS = [line.replace("=t", "=t2").replace("=c", "=c2") for line in (EXONS[1], CDS[1])]


@pytest.mark.parametrize(
    ("trusted", "ids", "transcripts"),
    [
        (None, {"g", "h"}, 2),
        ({"g"}, {"g"}, 2),
        ({"t2"}, {"g"}, 1),
        ({"g", "t2"}, {"g"}, 2),
        ({"g", "u"}, {"g", "h"}, 2),
    ],
)
def test_trusted_genes_and_transcripts(read, trusted, ids, transcripts):
    other = "chr1 x gene 3001 3100 . + . ID=noncoding"
    found = read(*PLAIN, THIRD, *THIRD_PARTS, *SECOND, other, trusted=trusted).genes["chr1"]
    assert {gene.id for gene in found if gene.trusted} == {*ids, "noncoding"}
    assert len(found[0].transcripts) == transcripts
    assert all(gene.problem == ("" if gene.trusted else "untrusted") for gene in found)
    assert all(gene.coding for gene in found[:2])


def test_trusted_ids_with_and_without_prefix(read):
    lines = [line.replace("=g", "=gene:g") for line in PLAIN]
    assert read(*lines, trusted=["g"]).genes["chr1"][0].trusted
    annotation = read(*PLAIN, trusted=["g", "nowhere"])
    assert kinds(annotation)["trusted IDs that the annotation does not have"] == 1
    with pytest.raises(InputError, match="none of the 2 trusted genes, for example a, b"):
        read(*PLAIN, trusted=["b", "a"])


# ---------------------------------------------------------------- counted and put right


def test_lines_that_stand_twice(read):
    annotation = read(*PLAIN, *PLAIN)
    assert annotation.genes["chr1"] == [MODEL]
    assert kinds(annotation) == {
        **QUIET,
        "duplicate gene or transcript lines": 2,
        "duplicate exon, CDS or UTR lines": 4,
    }


def test_the_same_ids_on_another_sequence_are_other_genes(read):
    second = ["chr2 x gene 1 90 . - . ID=g", "chr2 x mRNA 1 90 . - . ID=t;Parent=g"]
    second += ["chr2 x exon 1 90 . - . Parent=t", "chr2 x CDS 1 90 . - 0 Parent=t"]
    annotation = read(*PLAIN, *second)
    assert annotation.genes["chr1"] == [MODEL]
    assert annotation.genes["chr2"][0].transcripts[0].cds == ((0, 90, 0),)


def test_phases_that_are_missing(read):
    lines = [line.replace("+ 0", "+ .") for line in PLAIN]
    annotation = read(*lines)
    cds = annotation.genes["chr1"][0].transcripts[0].cds
    assert cds == ((150, 300, -1), (500, 800, -1))
    assert kinds(annotation)["CDS pieces without phase ('.')"] == 2


def test_parts_beyond_their_transcript_widen_it(read):
    annotation = read(GENE, MRNA.replace("900", "700"), *EXONS, *CDS)
    assert annotation.genes["chr1"] == [MODEL]
    assert kinds(annotation)["transcripts shorter than their parts, extended"] == 1
    annotation = read(GENE.replace("101", "201"), MRNA, *EXONS, *CDS)
    assert annotation.genes["chr1"] == [MODEL]
    assert kinds(annotation)["genes shorter than their transcripts, extended"] == 1


def problems(annotation):
    return [
        (gene.id, gene.strand, gene.start, gene.end, gene.problem)
        for gene in annotation.genes["chr1"]
        if not gene.trusted
    ]


def test_genes_on_both_strands_are_masked_on_both(read):
    stray = CDS[1].replace("+ 0", "- 0")
    annotation = read(*PLAIN[:-1], stray)
    assert problems(annotation) == [
        ("g", "+", 100, 900, "mixed_strands"),
        ("g", "-", 500, 800, "mixed_strands"),
    ]
    assert [gene.coding for gene in annotation.genes["chr1"]] == [True, False]
    kind = "genes masked: features on both strands or in several places"
    assert kinds(annotation)[kind] == 1


def test_trans_spliced_genes_are_masked(read):
    """NCBI: one gene in two lines, told by their part attributes."""
    annotation = read(
        "chr1 R gene 101 300 . + . ID=gene-rps12;exception=trans-splicing;part=1/2",
        "chr1 R gene 2001 2300 . - . ID=gene-rps12;exception=trans-splicing;part=2/2",
        "chr1 R CDS 101 300 . + 0 ID=cds-rps12;Parent=gene-rps12;part=1/2",
        "chr1 R CDS 2001 2300 . - 2 ID=cds-rps12;Parent=gene-rps12;part=2/2",
        *PLAIN,
    )
    assert problems(annotation) == [
        ("gene-rps12", "+", 100, 300, "mixed_strands"),
        ("gene-rps12", "-", 2000, 2300, "mixed_strands"),
    ]


def test_genes_that_end_before_they_start_are_masked(read):
    """All lines of a gene, as some writers have them on the minus strand; or one of no bases."""
    columns = [line.replace("=", "=m").split(" ") for line in PLAIN]
    turned = [[*c[:3], str(int(c[4]) + 3000), str(int(c[3]) + 3000), *c[5:]] for c in columns]
    for c in turned:
        c[6] = "-"
    annotation = read(*PLAIN, *SECOND, *map(" ".join, turned))
    assert problems(annotation) == [("mg", "-", 3100, 3900, "end_before_start")]
    assert kinds(annotation)["features that end before they start"] == 6
    annotation = read(*PLAIN, "chr1 x CDS 700 699 . - 0 Parent=t")
    assert problems(annotation) == [("g", "+", 100, 900, "end_before_start")]
    # one coordinate far off does not mask half a sequence
    annotation = read(*PLAIN, "chr1 x CDS 200000 199 . + 0 Parent=t", lengths={"chr1": 300_000})
    assert problems(annotation) == [("g", "+", 100, 900, "end_before_start")]


def test_genes_without_strand_are_masked_on_both(read):
    nowhere = [line.replace(" + ", " . ").replace("=", "=n") for line in PLAIN]
    annotation = read(*PLAIN, *nowhere, "chr1 x gene 5001 5100 . . . ID=free")
    assert problems(annotation) == [
        ("ng", "+", 100, 900, "no_strand"),
        ("ng", "-", 100, 900, "no_strand"),
    ]
    # the parts tell the strand
    assert read(GENE.replace("+", "."), *PLAIN[1:]).genes["chr1"][0].trusted


def test_cds_outside_exons_masks_the_gene(read):
    annotation = read(*PLAIN[:-1], CDS[1].replace("501", "491"))
    assert problems(annotation) == [("g", "+", 100, 900, "cds_outside_exons")]
    assert kinds(annotation)["genes masked: CDS outside exons"] == 1


def test_cds_of_missing_transcripts_are_genes(read):
    stray = ["chr1 x CDS 2001 2100 . - 0 Parent=lost", "chr1 x CDS 2201 2300 . - 0 Parent=lost"]
    lonely = ["chr1 x CDS 4001 4100 . + 0 ID=single", "chr1 x exon 4001 4100 . + . Parent=empty"]
    annotation = read(*stray, *lonely, *PLAIN)
    assert problems(annotation) == []
    found = {gene.id: gene.transcripts[0].cds for gene in annotation.genes["chr1"]}
    assert found == {
        "lost": ((2000, 2100, 0), (2200, 2300, 0)),
        "single": ((4000, 4100, 0),),
        "g": TRANSCRIPT.cds,
    }
    assert kinds(annotation)["parents that are not in the file"] == 2
    assert kinds(annotation)["CDS without Parent, taken as genes of their own"] == 1


def test_cds_beside_the_transcript_it_should_be_in_is_masked(read):
    """Exons name one transcript, CDS another that is not there: BRAKER had this once."""
    annotation = read(GENE, MRNA, *EXONS, *(line.replace("=t", "=t.old") for line in CDS), *SECOND)
    assert problems(annotation) == [("t.old", "+", 150, 800, "unknown_parent")]
    kind = "genes masked: CDS whose parent is not in the file"
    assert kinds(annotation)[kind] == 1


def test_genes_across_the_origin_of_a_circle_are_masked(read):
    region = "chr1 R region 1 10000 . + . ID=chr1:1..10000;Is_circular=true"
    across = [
        "chr1 R gene 9901 10100 . + . ID=a",
        "chr1 R CDS 9901 10100 . + 0 ID=c2;Parent=a",
        "chr1 R gene 10201 10300 . + . ID=b",
    ]
    annotation = read(*across, region, *PLAIN)
    assert problems(annotation) == [
        ("a", "+", 9900, 10_000, "crosses_origin"),
        ("a", "+", 0, 100, "crosses_origin"),
    ]
    assert [gene.start for gene in annotation.genes["chr1"] if gene.id == "b"] == [200]


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1 x gene 101 900 . +", "line 2: has 7 column(s), expected the 9 of GFF3"),
        ("chr1 x gene a 900 . + . ID=h", "line 2: has start 'a' and end '900', expected whole"),
        ("chr1 x gene 9e2 900 . + . ID=h", "line 2: has start '9e2'"),
        ("chr1 x CDS 101 900 . + 3 Parent=g", "line 2: is CDS with phase '3', expected 0, 1, 2"),
        ("chr1 x gene 1 9 . + . g 1", "line 2: has the attributes 'g 1', expected key=value pairs"),
    ],
)
def test_lines_that_cannot_be_right(read, line, message):
    with pytest.raises(InputError) as error:
        read(GENE, line, *PLAIN[1:])
    assert message in str(error.value)
    assert re.match(r".*genes\.gff3, line 2: ", str(error.value))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1 x gene 901 900 . + . ID=h", "line 2: has start 901 and end 900, expected 1 ≤ start"),
        ("chr1 x gene 0 900 . + . ID=h", "line 2: has start 0 and end 900, expected 1 ≤ start"),
        ("chr1 x gene 101 10001 . + . ID=h", "line 2: ends at 10,001, chr1 has 10,000 bp"),
        ("chr1 x gene 101 901 . + . ID=g", "g, line 1: would be masked (features on both strands"),
        ("chr1 x gene 101 900 . + . ID=h\t", "line 2: has empty columns after the ninth"),
    ],
)
def test_odd_lines_are_refused_with_strict_alone(read, line, message):
    assert read(GENE, line, *PLAIN[1:]).genes["chr1"]
    with pytest.raises(InputError) as error:
        read(GENE, line, *PLAIN[1:], strict=True)
    assert message in str(error.value)
    assert "genes.gff3" in str(error.value)
    read(*PLAIN, strict=True)


@pytest.mark.parametrize("depth", [2, 5])
def test_parents_in_a_circle(read, depth):
    names = [f"f{i}" for i in range(depth)]
    lines = [
        f"chr1 x mRNA 1 9 . + . ID={name};Parent={names[i - 1]}" for i, name in enumerate(names)
    ]
    with pytest.raises(InputError, match="is its own ancestor"):
        read(*PLAIN, *lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no features"),
        (b"##gff-version 3\n\n", "has no features"),
        (b">chr1\nACGT\n", "line 1: begins a FASTA sequence, expected GFF3"),
        (bytes(range(256)) * 20, "is a binary file"),
        (bytes(range(128, 256)) * 20, "line 1: has 1 column"),
        (bz2.compress(b"x"), "is compressed with bzip2"),
        (gzip.compress(b"chr1\t" * 10_000, mtime=0)[:-20], "is damaged or truncated"),
        (gzip.compress(b"chr1\t" * 10, mtime=0)[:12] + b"garbage" * 10, "is damaged or truncated"),
    ],
)
def test_files_that_are_no_gff3(tmp_path, content, message):
    path = tmp_path / "genes.gff3"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_annotation(path, LENGTHS)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_annotation(tmp_path / "none.gff3", LENGTHS)
    with pytest.raises(InputError, match="is a folder"):
        read_annotation(tmp_path, LENGTHS)


def test_an_annotation_without_coding_genes(read):
    with pytest.raises(InputError, match=r"no coding gene .* It has 2 exon, 1 gene, 1 mRNA"):
        read(GENE, MRNA, *EXONS)


def test_progress_covers_the_file(tmp_path):
    class Counting(Progress):
        total, done, ended = 0, 0, 0

        def start(self, task, total, unit="", done=0):
            assert task == "reading genes.gff3"
            self.total = total

        def advance(self, steps=1, note=""):
            self.done += steps

        def finish(self):
            self.ended += 1

    path = write(tmp_path / "genes.gff3", *PLAIN, *["# comment"] * 100_000)
    progress = Counting()
    read_annotation(path, LENGTHS, progress=progress)
    assert progress.total == path.stat().st_size
    assert 0.5 < progress.done / progress.total <= 1
    assert progress.ended == 1


# ---------------------------------------------------------------- damage


GTF = [
    "chr1 A gene 101 900 . + . g1",
    "chr1 A transcript 101 900 . + . g1.t1",
    *(
        f'chr1 A {kind} {place} . + {phase} transcript_id "g1.t1"; gene_id "g1"; note "a=b";'
        for kind, place, phase in (
            ("exon", "101 300", "."),
            ("CDS", "151 300", "0"),
            ("CDS", "501 797", "0"),
            ("exon", "501 900", "."),
            ("stop_codon", "798 800", "0"),
        )
    ),
]


@pytest.mark.parametrize("lines", [[*PLAIN, *SECOND, THIRD, *THIRD_PARTS], [*GTF, *GTF[:5]]])
def test_any_damage_ends_in_a_message_or_in_genes(tmp_path, lines):
    """Bytes changed, cut out or doubled: an InputError or an annotation, nothing else."""
    data = write(tmp_path / "genes.gff3", *lines).read_bytes()
    generator = random.Random(1)
    messages, n_read = [], 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            at, size = generator.randrange(len(damaged)), generator.randint(1, 30)
            kind = generator.randrange(3)
            if kind == 0:
                damaged[at] = generator.randrange(256)
            elif kind == 1:
                del damaged[at : at + size]
            else:
                damaged[at:at] = damaged[at : at + size]
        path = tmp_path / "damaged.gff3"
        path.write_bytes(bytes(damaged))
        try:
            annotation = read_annotation(path, LENGTHS)
        except InputError as error:
            messages.append(str(error))
        else:
            for name, length in LENGTHS.items():
                label_sequence(np.full(length, ord("A"), np.uint8), annotation.genes[name])
            n_read += 1
    assert all(str(path) in message for message in messages)
    assert min(len(messages), n_read) > 20


# ---------------------------------------------------------------- what would never end


@pytest.mark.parametrize("column", [3, 4])
def test_a_number_of_thousands_of_digits(read, column):
    """More than Python makes an int of."""
    columns = GENE.split(" ")
    columns[column] = "9" * 5000
    with pytest.raises(InputError, match=r"line 1: has start '[0-9]+' and end '[0-9]+'") as error:
        read(" ".join(columns), *PLAIN[1:])
    assert len(str(error.value)) < 500
    assert read(f"##sequence-region chr1 1 {'9' * 5000}", *PLAIN).genes["chr1"] == [MODEL]


def test_parents_that_branch_at_every_level(read):
    """Two parents each, sixty levels: 2^60 ways up, each feature looked at once."""
    tree = [
        f"chr1 x region 101 900 . + . ID={name}{i};Parent=a{i + 1},b{i + 1}"
        for i in range(60)
        for name in "ab"
    ]
    lines = [line.replace("Parent=g", "Parent=a0") for line in PLAIN]
    top = [f"chr1 x region 101 900 . + . ID={name}60;Parent=g" for name in "ab"]
    assert read(*lines, *tree, *top).genes["chr1"] == [MODEL]


def test_more_ancestors_than_a_feature_can_have(read):
    chain = [f"chr1 x region 101 900 . + . ID=n{i};Parent=n{i + 1}" for i in range(1100)]
    with pytest.raises(InputError, match=r"line 7: 'n0' has more than 1000 ancestors"):
        read(*PLAIN, *chain)


def test_the_circle_is_said(read):
    circle = [f"chr1 x mRNA 101 900 . + . ID={a};Parent={b}" for a, b in ("xy", "yz", "zx")]
    with pytest.raises(InputError, match=r"line 7: 'x' is its own ancestor \(x < y < z < x\)"):
        read(*PLAIN, *circle)


def test_a_transcript_of_many_pieces(read):
    """As many exons as CDS pieces, each in one exon: not every one compared with every other."""
    lengths = {"chr1": 10 * 6_000 + 100}
    pieces = [
        f"chr1 x {kind} {i * 10 + 1} {i * 10 + 5} . + {phase} Parent=t"
        for i in range(6_000)
        for kind, phase in (("exon", "."), ("CDS", "0"))
    ]
    head = ["chr1 x gene 1 60000 . + . ID=g", "chr1 x mRNA 1 60000 . + . ID=t;Parent=g"]
    (gene,) = read(*head, *pieces, lengths=lengths).genes["chr1"]
    assert gene.trusted
    outside = "chr1 x CDS 8 9 . + 0 Parent=t"
    (gene,) = read(*head, *pieces, outside, lengths=lengths).genes["chr1"]
    assert gene.problem == "cds_outside_exons"
