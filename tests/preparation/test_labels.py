"""Labels and masks: against an independent implementation, Helixer's own files, and by hand."""

import gzip

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import UNKNOWN_PHASE, Gene, Transcript
from helixer_ft.genome.gff3 import read_annotation
from helixer_ft.preparation.labels import Masked, label_sequence
from helixer_ft.preparation.masks import ERRORS
from tests.preparation import reference_labels

# ---------------------------------------------------------------- random gene models


@st.composite
def transcripts(draw, name, low, high):
    """A transcript within [low, high), coding or not, with all that can be wrong with one."""
    start = draw(st.sampled_from([low, low, draw(st.integers(low, high - 1))]))
    end = draw(st.sampled_from([high, high, draw(st.integers(start + 1, high))]))
    inner = draw(st.sets(st.integers(start + 1, end - 1), max_size=6)) if end - start > 1 else ()
    cuts = sorted(inner)[: len(inner) // 2 * 2]
    bounds = [start, *cuts, end]
    exons = [list(pair) for pair in zip(bounds[::2], bounds[1::2], strict=True)]
    if draw(st.integers(0, 5)) == 0 and exons[0][1] - exons[0][0] > 3:
        exons[0][0] += draw(st.integers(1, 3))
    if draw(st.integers(0, 5)) == 0 and exons[-1][1] - exons[-1][0] > 3:
        exons[-1][1] -= draw(st.integers(1, 3))
    if len(exons) > 1 and draw(st.booleans()):  # touching or overlapping exons
        place = draw(st.integers(0, len(exons) - 2))
        left, right = exons[place : place + 2]
        if right[1] - right[0] > 4:
            left[1] = right[0] + draw(st.integers(0, 3))
    cds = []
    if draw(st.integers(0, 9)):
        exonic = sorted({base for exon in exons for base in range(*exon)})
        first = draw(st.sampled_from([exonic[0], draw(st.sampled_from(exonic))]))
        last = draw(st.sampled_from([exonic[-1], draw(st.sampled_from(exonic))]))
        first, last = min(first, last), max(first, last)
        phases = st.sampled_from([0, 0, 0, 1, 2, UNKNOWN_PHASE])
        cds = [
            (max(first, left), min(last + 1, right), draw(phases))
            for left, right in exons
            if max(first, left) < min(last + 1, right)
        ]
    return Transcript(name, start, end, tuple((s, e) for s, e in exons), tuple(cds))


@st.composite
def sequences(draw):
    """Bases and genes: overlapping, nested, touching, at the ends, on both strands."""
    n = draw(st.one_of(st.integers(1, 200), st.integers(200, 1500)))
    # hypothesis draws the genes; the many bases come from a seed
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bases = generator.choice(np.frombuffer(b"ACGTN", np.uint8), n, p=[0.24] * 4 + [0.04])
    genes = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.one_of(st.just(0), st.integers(0, n - 1)))
        end = draw(st.one_of(st.just(n), st.integers(start + 1, n)))
        if genes and draw(st.integers(0, 2)) == 0:  # beside or over another one
            start = max(0, min(n - 1, genes[-1].end + draw(st.integers(-3, 40))))
            end = min(n, start + draw(st.integers(1, 80)))
        name = f"g{number}"
        own = [draw(transcripts(f"{name}.{i}", start, end)) for i in range(draw(st.integers(0, 3)))]
        strand = draw(st.sampled_from("+-"))
        trusted = draw(st.integers(0, 9)) > 0
        genes.append(Gene(name, strand, start, end, tuple(own), trusted))
        for transcript in own:
            if transcript.cds and draw(st.booleans()):
                _write_codons(bases, transcript, strand)
    return bases, genes


def _write_codons(bases, transcript, strand):
    first, last = transcript.cds[0][0], max(end for _, end, _ in transcript.cds)
    left, right = (b"ATG", b"TGA") if strand == "+" else (b"TTA", b"CAT")
    if last - first >= 3:
        bases[first : first + 3] = list(left)
        bases[last - 3 : last] = list(right)


def assert_equals_reference(bases, genes, **options):
    labels = label_sequence(bases, genes, **options)
    flank = options["utr_flank"] if options.get("missing_utr") == "keep" else None
    for strand, ours in (("+", labels.plus), ("-", labels.minus)):
        expected = reference_labels.label_strand(bases.tobytes().decode(), genes, strand, flank)
        genic, phase, columns, valid, lengths = zip(*expected, strict=True)
        np.testing.assert_array_equal(ours.genic, genic)
        np.testing.assert_array_equal(ours.phase, phase)
        np.testing.assert_array_equal(ours.transitions, [sum(1 << k for k in c) for c in columns])
        np.testing.assert_array_equal(ours.valid, valid)
        np.testing.assert_array_equal(ours.gene_lengths, lengths)
        shown = np.ones(len(bases), bool)
        for mask in labels.masked:
            assert mask.error in ERRORS
            if mask.strand == strand:
                assert 0 <= mask.start < mask.end <= len(bases)
                shown[mask.start : mask.end] = False
        np.testing.assert_array_equal(ours.valid, shown)


def lines_that_begin_together(*cds):
    """A gene on the minus strand whose first two CDS lines begin at the same base."""
    transcript = Transcript("g1.0", 1, 16, ((1, 12), (11, 16)), cds)
    genes = [Gene("g0", "+", 0, 1, ()), Gene("g1", "-", 1, 16, (transcript,))]
    return np.frombuffer(b"GCAATTGTGTTATATA", np.uint8), genes


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequences())
@example(lines_that_begin_together((1, 12, 0), (11, 12, 1)))
@example(lines_that_begin_together((1, 12, 1), (1, 12, 2)))
def test_labels_equal_the_base_by_base_implementation(case):
    assert_equals_reference(*case)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequences(), st.integers(0, 50))
@example((np.frombuffer(b"A", np.uint8), []), 0)
def test_so_they_do_when_missing_utrs_are_kept(case, flank):
    assert_equals_reference(*case, missing_utr="keep", utr_flank=flank)


# ---------------------------------------------------------------- Helixer's own files


def _read_fasta(path):
    with gzip.open(path, "rt") as file:
        records = file.read().split(">")[1:]
    return {
        record.split()[0]: np.frombuffer("".join(record.split()[1:]).upper().encode(), np.uint8)
        for record in records
    }


def _read_strands(path):
    """Helixer's labels of each strand in genomic order, coded as ours."""
    with h5py.File(path) as file:
        data = {name: file[f"data/{name}"][:] for name in file["data"] if name != "X"}
    strands = {}
    rows = sorted(range(len(data["seqids"])), key=lambda row: data["start_ends"][row].min())
    for row in rows:
        start, end = data["start_ends"][row]
        step = 1 if start < end else -1
        parts = strands.setdefault((data["seqids"][row].decode(), "+" if step == 1 else "-"), [])
        own = {name: data[name][row][: abs(end - start)][::step] for name in _NAMES.values()}
        parts.append(
            {
                "genic": own["y"].argmax(axis=1),
                "phase": own["phases"].argmax(axis=1),
                "transitions": np.packbits(own["transitions"], axis=1, bitorder="little")[:, 0],
                "valid": own["sample_weights"] == 1,
                "gene_lengths": own["gene_lengths"],
            }
        )
    return {
        key: {name: np.concatenate([part[name] for part in parts]) for name in _NAMES}
        for key, parts in strands.items()
    }


_NAMES = {
    "genic": "y",
    "phase": "phases",
    "transitions": "transitions",
    "valid": "sample_weights",
    "gene_lengths": "gene_lengths",
}


@pytest.mark.parametrize("species", ["celegans", "spombe"])
def test_labels_equal_helixers_on_every_base(shared, species):
    sequences = _read_fasta(shared / f"data/{species}/genome.fa.gz")
    annotation = read_annotation(
        shared / f"data/{species}/annotation.gff3.gz",
        {name: len(bases) for name, bases in sequences.items()},
    )
    assert annotation.notices == ()
    theirs = _read_strands(shared / f"oracles/prepare/{species}.h5")
    assert {name for name, _ in theirs} == set(sequences)
    for name, bases in sequences.items():
        labels = label_sequence(bases, annotation.genes[name])
        for strand, ours in (("+", labels.plus), ("-", labels.minus)):
            for key, expected in theirs[name, strand].items():
                np.testing.assert_array_equal(
                    getattr(ours, key), expected, err_msg=f"{name} {strand} {key}"
                )


# ---------------------------------------------------------------- rules, by hand


def sequence_of(n, genes, *, codons=True):
    """C, and start and stop codons where the first transcript's CDS of each gene wants them."""
    bases = np.full(n, ord("C"), np.uint8)
    for gene in genes:
        for transcript in gene.transcripts if codons else ():
            if transcript.cds:
                _write_codons(bases, transcript, gene.strand)
    return bases


def gene(name, strand, *transcripts, start=None, end=None, **options):
    """Transcripts: (start, end, introns, CDS range or None, phases)."""
    own = []
    for number, (low, high, introns, cds) in enumerate(transcripts):
        edges = [low, *(edge for intron in introns for edge in intron), high]
        exons = list(zip(edges[::2], edges[1::2], strict=True))
        pieces = []
        if cds:
            inside = [(max(s, cds[0]), min(e, cds[1])) for s, e in exons]
            inside = [(s, e) for s, e in inside if s < e]
            done, phases = 0, []
            for s, e in inside if strand == "+" else inside[::-1]:
                phases.append(-done % 3)
                done += e - s
            phases = phases if strand == "+" else phases[::-1]
            pieces = [(s, e, p) for (s, e), p in zip(inside, phases, strict=True)]
        own.append(Transcript(f"{name}.{number}", low, high, tuple(exons), tuple(pieces)))
    start = min(t.start for t in own) if start is None else start
    end = max(t.end for t in own) if end is None else end
    return Gene(name, strand, start, end, tuple(own), **options)


def masked(genes, n=1000, **options):
    bases = options.pop("bases", None)
    bases = sequence_of(n, genes) if bases is None else bases
    return [
        (mask.gene, mask.error, mask.start, mask.end)
        for mask in label_sequence(bases, genes, **options).masked
    ]


def test_a_complete_gene_is_labelled_and_nothing_masked():
    genes = [gene("g", "-", (100, 200, [(130, 150)], (120, 182)))]
    labels = label_sequence(sequence_of(1000, genes), genes)
    assert labels.masked == ()
    minus = labels.minus
    assert minus.genic[95:205].tolist() == (
        [0] * 5 + [1] * 20 + [2] * 10 + [3] * 20 + [2] * 32 + [1] * 18 + [0] * 5
    )
    # its 5' end is at 182: phases 0, 2, 1 from there down, and on behind the intron
    assert minus.phase[176:184].tolist() == [2, 3, 1, 2, 3, 1, 0, 0]
    assert minus.phase[149:152].tolist() == [0, 3, 1]
    assert minus.phase[118:131].tolist() == [0, 0, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 0]
    marks = {k: np.flatnonzero(minus.transitions & (1 << k)).tolist() for k in range(6)}
    assert marks == {
        **{0: [99, 100], 1: [119, 120], 2: [129, 130]},
        **{3: [199, 200], 4: [181, 182], 5: [149, 150]},
    }
    assert (minus.gene_lengths[[99, 100, 199, 200]] == [0, 100, 100, 0]).all()
    assert not labels.plus.genic.any()
    assert labels.plus.valid.all()
    for name, dtype in {
        **{"genic": np.uint8, "phase": np.uint8, "transitions": np.uint8},
        **{"valid": bool, "gene_lengths": np.uint32},
    }.items():
        for strand in (labels.plus, labels.minus):
            assert getattr(strand, name).dtype == dtype
            assert getattr(strand, name).shape == (1000,)


@pytest.mark.parametrize(
    ("strand", "expected"),
    [
        ("+", [("missing_utr_5p", 0, 100), ("missing_utr_3p", 200, 1000)]),
        ("-", [("missing_utr_5p", 200, 1000), ("missing_utr_3p", 0, 100)]),
    ],
)
def test_missing_utrs_mask_to_the_ends_of_the_sequence(strand, expected):
    found = masked([gene("g", strand, (100, 200, [], (100, 200)))])
    assert found == [("g", *mask) for mask in expected]


def test_missing_utrs_are_kept_but_for_a_flank():
    genes = [gene("g", "-", (100, 200, [], (100, 200)))]
    assert masked(genes, missing_utr="keep", utr_flank=30) == [
        ("g", "missing_utr_5p", 200, 230),
        ("g", "missing_utr_3p", 70, 100),
    ]
    assert masked(genes, missing_utr="keep", utr_flank=0) == []
    # the default flank, and other errors, which mask to the border all the same
    found = masked(genes, missing_utr="keep", bases=sequence_of(1000, genes, codons=False))
    assert ("g", "missing_utr_5p", 200, 500) in found
    assert ("g", "missing_start_codon", 200, 1000) in found


@pytest.mark.parametrize(("distance", "beyond"), [(1, 0), (100, 50), (400, 200), (441, 210)])
def test_the_border_lies_nearer_to_the_upstream_gene(distance, beyond):
    upstream = gene("u", "+", (10, 100, [], (10, 100)))
    second = 100 + distance
    downstream = gene("d", "+", (second, second + 90, [], (second, second + 90)))
    found = masked([downstream, upstream], 1000)
    assert ("u", "missing_utr_3p", 100, 100 + beyond) in found or beyond == 0
    assert ("d", "missing_utr_5p", 100 + beyond, second) in found


def test_a_gene_without_cds_is_a_neighbour_too():
    coding = gene("c", "+", (100, 200, [], (100, 200)))
    other = gene("n", "+", (300, 400, [], None))
    assert ("c", "missing_utr_3p", 200, 250) in masked([coding, other])
    assert ("c", "missing_utr_3p", 200, 1000) in masked([coding])
    assert not {name for name, *_ in masked([other])}


@pytest.mark.parametrize("strand", "+-")
def test_errors_at_the_ends_of_the_cds_mask_outwards(strand):
    before, after = ((0, 120), (282, 1000)) if strand == "+" else ((282, 1000), (0, 120))
    whole = gene("g", strand, (100, 300, [(150, 200)], (120, 282)))
    assert (282 - 120 - 50) % 3 == 1
    assert masked([whole]) == [("g", "mismatched_phase_3p", *after)]
    one = gene("g", strand, (100, 300, [], (120, 282)))
    assert masked([one]) == []
    assert masked([one], bases=sequence_of(1000, [one], codons=False)) == [
        ("g", "missing_start_codon", *before),
        ("g", "missing_stop_codon", *after),
    ]
    shifted = Transcript("t", 100, 300, ((100, 300),), ((120, 282, 1),))
    assert masked([Gene("g", strand, 100, 300, (shifted,))]) == [
        ("g", "mismatched_phase_5p", *before)
    ]


@pytest.mark.parametrize("strand", "+-")
def test_of_cds_lines_that_begin_at_one_base_the_shortest_tells_the_phase(strand):
    lines = ((0, 11, 0), (0, 1, 1)) if strand == "+" else ((4, 15, 0), (14, 15, 1))
    exons = ((0, 1), (0, 15)) if strand == "+" else ((0, 15), (14, 15))
    transcript = Transcript("t", 0, 15, exons, tuple(sorted(lines)))
    labels = label_sequence(np.full(15, 67, np.uint8), [Gene("g", strand, 0, 15, (transcript,))])
    phase = labels.plus.phase if strand == "+" else labels.minus.phase[::-1]
    assert (phase[:11] - 1).tolist() == [1, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0]


def test_a_codon_split_by_an_intron_counts_as_missing():
    one = gene("g", "+", (100, 300, [(122, 200)], (120, 281)))
    bases = sequence_of(1000, [one])
    bases[[120, 121, 200]] = list(b"ATG")
    bases[122] = ord("C")
    assert ("g", "missing_start_codon", 0, 120) in masked([one], bases=bases)


def test_a_cds_without_phase_and_start_codon_is_masked():
    transcript = Transcript("t", 100, 300, ((100, 300),), ((130, 250, UNKNOWN_PHASE),))
    one = Gene("g", "+", 100, 300, (transcript,))
    assert masked([one]) == []
    assert masked([one], bases=np.full(1000, ord("C"), np.uint8)) == [
        ("g", "missing_start_codon", 0, 130),
        ("g", "missing_stop_codon", 250, 1000),
        ("g", "unknown_phase", 130, 250),
    ]


def test_short_introns_are_masked_and_those_of_twenty_bases_not():
    assert masked([gene("g", "+", (100, 300, [(150, 169)], (120, 280)))]) == [
        ("g", "too_short_intron", 150, 169),
    ]
    assert masked([gene("g", "+", (100, 300, [(150, 170)], (120, 281)))]) == []


def test_overlapping_exons_mask_from_intron_to_intron():
    transcript = Transcript(
        "t", 100, 400, ((100, 150), (200, 260), (250, 300), (350, 400)), ((110, 141, 0),)
    )
    found = masked([Gene("g", "+", 100, 400, (transcript,))])
    assert ("g", "overlapping_exons", 200, 300) in found


def test_overlapping_exons_count_as_an_intron_in_coding_length_and_last_phase():
    overlapping = Transcript(
        "t", 100, 400, ((100, 250), (240, 400)), ((120, 250, 0), (240, 380, 2))
    )
    plain = Transcript("u", 90, 400, ((90, 400),), ((120, 380, 0),))
    genes = [Gene("g", "+", 90, 400, (overlapping, plain))]
    assert label_sequence(sequence_of(1000, genes), genes).plus.genic[95] == 1
    genes = [Gene("g", "+", 100, 400, (overlapping,))]
    assert (380 - 240) % 3 == 2
    assert masked(genes) == [("g", "overlapping_exons", 100, 400)]


def test_an_intron_at_the_end_of_a_transcript_stays_valid():
    transcript = Transcript("t", 100, 300, ((130, 300),), ((160, 250, 0),))
    genes = [Gene("g", "+", 100, 300, (transcript,))]
    assert masked(genes) == [("g", "truncated_intron_5p", 0, 100)]
    labels = label_sequence(sequence_of(1000, genes), genes).plus
    assert (labels.genic[100:130] == 3).all()
    assert labels.valid[100:130].all()


def test_a_cds_that_begins_with_the_first_exon_begins_with_the_transcript():
    transcript = Transcript("t", 100, 300, ((130, 300),), ((130, 250, 0),))
    genes = [Gene("g", "+", 100, 300, (transcript,))]
    labels = label_sequence(sequence_of(1000, genes), genes).plus
    assert np.flatnonzero(labels.transitions & 2).tolist() == [99, 100]
    assert ("g", "missing_utr_5p", 0, 100) in masked(genes)


def test_the_transcript_with_the_most_coding_bases_is_labelled_and_the_first_of_equals():
    short = (100, 300, [(150, 200)], (120, 261))
    long = (110, 310, [(160, 180)], (120, 260))
    labels = label_sequence(np.full(1000, ord("C"), np.uint8), [gene("g", "+", short, long)])
    assert labels.plus.genic[105] == 0
    assert labels.plus.genic[305] == 1
    twin = (90, 310, [(160, 180)], (120, 260))
    for both, first_base in (((long, twin), 110), ((twin, long), 90)):
        labels = label_sequence(np.full(1000, ord("C"), np.uint8), [gene("g", "+", *both)])
        assert np.flatnonzero(labels.plus.genic)[0] == first_base


def test_an_intron_wins_over_cds_and_cds_over_utr_of_another_gene():
    first = gene("a", "+", (100, 300, [(150, 200)], (120, 280)))
    second = gene("b", "+", (110, 260, [], (140, 210)))
    labels = label_sequence(np.full(1000, ord("C"), np.uint8), [first, second]).plus
    assert (labels.genic[150:200] == 3).all()
    assert (labels.genic[200:280] == 2).all()
    assert (labels.gene_lengths[100:300] == 200).all()


OVERLAP = {"up": (100, 300), "down": (280, 500)}


@pytest.mark.parametrize(
    ("up_cds", "down_cds", "expected"),
    [
        ((120, 270), (310, 460), None),
        ((120, 300), (310, 460), (300, 1000)),
        ((120, 300), (280, 460), (300, 1000)),
        ((120, 270), (280, 460), (0, 280)),
    ],
)
def test_overlapping_genes_without_utr_at_the_overlap(up_cds, down_cds, expected):
    genes = [
        gene("up", "+", (*OVERLAP["up"], [], up_cds)),
        gene("down", "+", (*OVERLAP["down"], [], down_cds)),
    ]
    found = [mask for mask in masked(genes) if mask[1] == "overlapping_genes"]
    assert found == ([] if expected is None else [("down", "overlapping_genes", *expected)])


def test_only_transcripts_up_to_the_labelled_one_tell_of_a_missing_5p_utr_at_an_overlap():
    upstream = gene("up", "+", (*OVERLAP["up"], [], (120, 270)))
    with_utr, without = (280, 500, [], (310, 490)), (280, 500, [], (280, 400))
    for down, expected in (((with_utr, without), False), ((without, with_utr), True)):
        found = masked([upstream, gene("down", "+", *down)], bases=np.full(1000, 67, np.uint8))
        assert (("down", "overlapping_genes", 0, 280) in found) is expected


def test_a_missing_utr_of_a_nested_gene_masks_nothing():
    outer = gene("outer", "+", (100, 500, [(150, 400)], (120, 470)))
    inner = gene("inner", "+", (200, 260, [], (200, 260)))
    assert [mask for mask in masked([outer, inner]) if mask[0] == "inner"] == []


def test_a_gene_cut_by_the_sequence_lacks_no_utr_there():
    assert masked([gene("g", "+", (0, 300, [], (0, 270)))], 300) == []
    assert masked([gene("g", "-", (0, 300, [], (0, 270)))], 300) == []


def test_an_untrusted_gene_is_masked_on_its_strand_and_has_no_labels():
    one = gene("g", "-", (100, 300, [], (120, 270)), trusted=False)
    labels = label_sequence(sequence_of(1000, [one]), [one])
    assert labels.masked == (Masked("g", "", "-", 100, 300, "untrusted"),)
    assert np.flatnonzero(~labels.minus.valid).tolist() == list(range(100, 300))
    assert labels.plus.valid.all()
    assert not labels.minus.genic.any()
    other = gene("g", "-", (100, 300, [], (120, 270)), trusted=False, problem="no_strand")
    assert label_sequence(sequence_of(1000, [one]), [other]).masked[0].error == "no_strand"


def test_a_cds_that_is_all_intron_masks_the_gene():
    transcript = Transcript("t", 100, 300, ((100, 120), (200, 300)), ((150, 160, 0),))
    one = Gene("g", "+", 90, 300, (transcript,))
    labels = label_sequence(np.full(400, ord("C"), np.uint8), [one])
    assert labels.masked == (Masked("g", "", "+", 90, 300, "cds_in_intron"),)
    assert not labels.plus.genic.any()


def test_a_gene_beyond_the_sequence_or_a_negative_flank_is_refused():
    one = gene("g", "+", (100, 300, [], (120, 270)))
    with pytest.raises(InputError, match=r"gene g covers 101 to 300, expected within the 299"):
        label_sequence(np.full(299, ord("C"), np.uint8), [one])
    with pytest.raises(InputError, match="UTR flank is -1"):
        label_sequence(np.full(300, ord("C"), np.uint8), [one], missing_utr="keep", utr_flank=-1)
