"""Whatever a person does to a file, the dataset that comes of it loads, or one line says why there is none."""

import re
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prosody import dataset, markers
from prosody.errors import ProsodyError
from prosody.interchange import textgrid
from prosody.interchange.annotation import of_dataset
from prosody.interchange.revise import revise
from prosody.interchange.textgrid import Interval, IntervalTier
from prosody.interchange.tiers import from_textgrid, to_textgrid, untimed_points

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
labels = st.sampled_from(["", "really", "We", "so what", "sil", "<emph>", "pause_short", "<pitch_low> now", "<x>", "–"])
edges = st.lists(st.floats(0, 6).map(lambda at: round(at, 2)), max_size=10, unique=True).map(sorted)


@st.composite
def grids(draw, grid):
    """The grid with some of its tiers drawn anew, taken out, or with labels changed."""
    tiers = []
    for tier in grid.tiers:
        how = draw(st.sampled_from(["as it is", "as it is", "labels", "times", "out"]))
        if how == "out":
            continue
        if how != "as it is" and isinstance(tier, IntervalTier):
            if how == "labels":
                kept = tuple(replace(one, text=draw(labels | st.just(one.text))) for one in tier.intervals)
            else:
                at = draw(edges)
                kept = tuple(Interval(a, b, draw(labels)) for a, b in zip(at[::2], at[1::2], strict=False))
            tier = IntervalTier(tier.name, kept)
        tiers.append(tier)
    return replace(grid, tiers=tuple(tiers))


@in_a_folder
@given(st.data(), st.booleans())
def test_an_edited_grid(made, data, cut_anew):
    original = dataset.load(made)
    lone = untimed_points(replace(of_dataset(original), final=None))
    grid = data.draw(grids(to_textgrid(of_dataset(original))))
    try:
        found = from_textgrid(grid, path="talk.TextGrid", untimed=lone)
        revision = revise(original, found, by=None, at="now", path="talk.TextGrid", cut_anew=cut_anew)
    except ProsodyError as error:
        assert str(error).startswith("talk.TextGrid: ")
        assert error.remedy
        return
    assert markers.tokens(found.marked) == tuple(t for one in revision.segments for t in one.prosody_tokens)
    assert [w.text for w in found.words] == [w.text for one in revision.segments for w in one.words]
    dataset.save(made, revision.segments, original.info, overwrite=True)
    dataset.load(made)
    dataset.save(made, original.segments, original.info, overwrite=True)


TEXT = textgrid.render(
    textgrid.TextGrid(0, 2, (IntervalTier("words", (Interval(0, 1, 'a "b"'),)), textgrid.PointTier("f0", ())))
)
pieces = re.findall(r'\s+|"[^"]*"|\S+', TEXT)


@given(
    st.lists(st.tuples(st.integers(0, len(pieces) - 1), st.sampled_from(["", '"', "<", "0", "-1e400", "!", "x", '""'])))
)
def test_a_damaged_file(changes):
    damaged = list(pieces)
    for at, new in changes:
        damaged[at] = new
    try:
        textgrid.parse("".join(damaged))
    except ProsodyError as error:
        assert error.what


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"ooTextFile"]))
def test_any_bytes(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("any") / "talk.TextGrid"
    path.write_bytes(start + data)
    try:
        textgrid.read(path)
    except ProsodyError as error:
        assert str(error).isprintable()
