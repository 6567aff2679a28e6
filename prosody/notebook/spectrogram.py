"""The figure of a segment's spectrogram: words and markers above, the sound's frequencies, f0 drawn over them."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from prosody.dataset import Segment
from prosody.errors import ProsodyError
from prosody.notebook import look
from prosody.notebook.words import LANE_PIXELS, add_words, lanes_of
from prosody.speech.audio import Audio
from prosody.speech.detect import decide
from prosody.speech.measure import Tracks

# Cividis (Nuñez, Anderton & Renslow 2018): its lightness rises evenly, and looks alike with any colour vision.
_SCALE = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
_LEVELS = 32  # of colour, under 2 dB each by default: more can't be told apart, and make a large file
_MOST_COLUMNS, _MOST_ROWS = 800, 160
_STEP_S = 0.002  # Praat's default
_HOVER_COLUMNS, _HOVER_ROWS = 240, 32  # of the grid that answers when pointed at
_EMPHASIS_DB = 6.0  # an octave, as Praat paints: the voice's own slope, taken out, or the upper formants can't be seen
_LEAST_HZ = 50.0  # where the emphasis begins
_F0_TICKS_HZ = (50, 75, 100, 150, 200, 300, 400, 600, 800)
_F0_ROOM_ST = (-12, 24)  # of the f0 axis, about the median
_PIXELS = 330


def spectrogram(
    audio: Audio,
    tracks: Tracks,
    segment: Segment,
    *,
    max_hz: float = 5000.0,
    range_db: float = 50.0,
    window_s: float = 0.005,
    title: str = "",
) -> go.Figure:
    """One segment's spectrogram, with f0 drawn over it on an axis of its own, and the words with their markers above.

    audio, tracks: of the whole recording. segment: its words measured. max_hz: the highest frequency shown. range_db:
    what lies further below the strongest is the darkest colour; 50 to 70 are
    usual. window_s: the effective length of the Gaussian window;
    5 ms (wide-band) shows formants and, of a second or so, each opening of the vocal folds; 30 ms (narrow-band) the
    harmonics. The picture is a PNG inside the figure, under 150 KB however long the segment is.
    Raises ProsodyError if `max_hz`, `range_db` or `window_s` is out of its range.
    """
    _refuse(audio, max_hz, range_db, window_s)
    ends = segment.start, segment.end
    db = levels(audio, ends, max_hz=max_hz, window_s=window_s)
    db = np.maximum(db - db.max(), -range_db)
    lanes = lanes_of(segment.words, ends[1] - ends[0])
    heights = [LANE_PIXELS * (max(lanes, default=0) + 1), _PIXELS]
    specs = [[{}], [{"secondary_y": True}]]
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.02, row_heights=heights, specs=specs)
    add_words(figure, segment.words, [decide(word.evidence) for word in segment.words], lanes, ends)
    _add_picture(figure, db, ends, max_hz, range_db)
    _add_boundaries(figure, segment, max_hz)
    look.dress(figure, title=title or f"Spectrogram: {segment.audio_file}", height=sum(heights) + 150, legend=True)
    _add_f0(figure, tracks, ends)
    figure.update_xaxes(range=[round(end, 3) for end in ends], showgrid=False)
    figure.update_xaxes(title_text="time in the recording (s)", row=2, col=1)
    axis = {"range": [0, max_hz], "showgrid": False, "fixedrange": True}
    figure.update_yaxes(title_text="frequency (Hz)", secondary_y=False, row=2, col=1, **axis)
    return figure.update_layout(margin={"r": 64}, hoverdistance=30)


def levels(audio: Audio, ends: tuple[float, float], *, max_hz: float, window_s: float) -> np.ndarray:
    """Power of a stretch over frequency and time, dB, raised by 6 dB an octave.

    ends: of the stretch, s. The window is Praat's Gaussian (Boersma & Weenink, "Sound: To Spectrogram..."): twice as
    long as `window_s`, its effective length, so that a tone is 1.3 / `window_s` Hz wide, 260 Hz at 5 ms. Frames are 2
    ms apart; of a long stretch several are averaged, so that none goes unseen. Returns [shape=(n_rows, n_columns)],
    from 0 Hz up to `max_hz`, at most 160 by 800.
    """
    from scipy import signal

    rate = audio.sample_rate
    first, last = (round(end * rate) for end in ends)
    length = round(2 * window_s * rate) | 1
    part = audio.samples[first:last].astype(np.float64)
    part = np.pad(part, (0, max(0, length - len(part))))
    window = signal.windows.gaussian(length, length / 96**0.5)
    hop, n_fft = round(_STEP_S * rate), max(1024, 1 << (length - 1).bit_length())
    transform = signal.ShortTimeFFT(window, hop, rate, mfft=n_fft)
    inside = transform.f <= max_hz
    frames = transform.spectrogram(part, p0=0, p1=max(1, -(-(last - first) // hop)))[inside]
    power = np.maximum(_averaged(frames, _MOST_COLUMNS), 1e-20)
    emphasis = _EMPHASIS_DB * np.log2(np.maximum(transform.f[inside], _LEAST_HZ) / 1000)
    return _resampled(10 * np.log10(power) + emphasis[:, None], _MOST_ROWS)


def _averaged(frames: np.ndarray, most: int) -> np.ndarray:
    """Columns, neighbours averaged so that `most` are left."""
    n = frames.shape[1]
    if n <= most:
        return frames
    edges = np.linspace(0, n, most + 1).astype(int)
    return np.add.reduceat(frames, edges[:-1], axis=1) / np.diff(edges)


def _resampled(db: np.ndarray, most: int) -> np.ndarray:
    """Rows, as many of them as `most` at most, read between those that were computed."""
    at = np.linspace(0, len(db) - 1, min(most, len(db)))
    low = np.minimum(at.astype(int), max(len(db) - 2, 0))
    share = (at - low)[:, None]
    return (1 - share) * db[low] + share * db[np.minimum(low + 1, len(db) - 1)]


def _refuse(audio: Audio, max_hz: float, range_db: float, window_s: float) -> None:
    limits = {
        "max_hz": (max_hz, 500, audio.sample_rate / 2, "Hz"),
        "range_db": (range_db, 20, 120, "dB"),
        "window_s": (window_s, 0.002, 0.1, "s"),
    }
    for name, (value, least, most, unit) in limits.items():
        if not least <= value <= most:
            raise ProsodyError(None, name, f"is {value!r}", f"give a number from {least:g} to {most:g} {unit}")


def _add_picture(
    figure: go.Figure, db: np.ndarray, ends: tuple[float, float], max_hz: float, range_db: float
) -> None:
    """The levels as a PNG behind the axes, and a coarse clear grid that answers when pointed at."""
    steps = np.rint((1 + db / range_db) * (_LEVELS - 1)).astype(np.uint8)
    place = {"x": ends[0], "y": max_hz, "sizex": ends[1] - ends[0], "sizey": max_hz, "sizing": "stretch"}
    source = "data:image/png;base64," + base64.b64encode(_png(steps[::-1])).decode("ascii")
    figure.add_layout_image(source=source, layer="below", xref="x2", yref="y2", **place)
    rows, columns = (min(n, most) for n, most in zip(db.shape, (_HOVER_ROWS, _HOVER_COLUMNS), strict=True))
    heard = _averaged(_averaged(db, columns).T, rows).T
    figure.add_heatmap(
        z=np.rint(heard).astype(np.int8),
        x=np.round(ends[0] + (np.arange(columns) + 0.5) * (ends[1] - ends[0]) / columns, 3),
        y=np.round((np.arange(rows) + 0.5) * max_hz / rows),
        opacity=0,
        showscale=False,
        hovertemplate="%{x:.2f} s, about %{y:.0f} Hz: %{z} dB<br>(re the strongest here)<extra></extra>",
        row=2,
        col=1,
    )
    told = f"white: f0 · yellow: the strongest · darkest blue: {range_db:g} dB below it"
    note = {"x": 1, "xref": "x2 domain", "xanchor": "right", "y": 1, "yref": "y2 domain", "yanchor": "bottom"}
    figure.add_annotation(text=told, showarrow=False, font={"size": 10}, **note)


def _png(steps: np.ndarray) -> bytes:
    """An 8-bit PNG with the scale as its palette (ISO/IEC 15948). steps [shape=(n_rows, n_columns)]: 0.._LEVELS-1."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    ends = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in _SCALE], dtype=float)
    at = np.linspace(0, len(ends) - 1, _LEVELS)
    palette = np.rint([np.interp(at, range(len(ends)), channel) for channel in ends.T]).astype(np.uint8).T
    head = struct.pack(">IIBBBBB", steps.shape[1], steps.shape[0], 8, 3, 0, 0, 0)
    lines = np.pad(steps, ((0, 0), (1, 0)))  # each line begins with its filter: none
    packed = zlib.compress(lines.tobytes(), 9)
    parts = ((b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _add_boundaries(figure: go.Figure, segment: Segment, max_hz: float) -> None:
    """Where words begin and end, as thin lines over the picture."""
    at = sorted({round(time, 3) for word in segment.words for time in (word.start, word.end)})
    figure.add_scatter(
        x=[x for time in at for x in (time, time, None)],
        y=[y for _ in at for y in (0, max_hz, None)],
        mode="lines",
        line={"color": "rgba(255,255,255,0.45)", "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        row=2,
        col=1,
    )


def _add_f0(figure: go.Figure, tracks: Tracks, ends: tuple[float, float]) -> None:
    """f0 in white with a dark edge, which stands out from every colour of the scale, on a logarithmic axis in Hz."""
    inside = slice(*np.searchsorted(tracks.f0_times, ends))
    times, f0_hz = np.round(tracks.f0_times[inside], 3).astype(np.float32), tracks.f0_hz[inside]
    voiced = np.isfinite(f0_hz) & (f0_hz > 0)
    place = {"row": 2, "col": 1, "secondary_y": True}
    if not voiced.any():
        figure.update_yaxes(visible=False, **place)
        note = {"x": 1, "xref": "x domain", "xanchor": "right", "y": 1, "yref": "paper", "yanchor": "bottom"}
        figure.add_annotation(text="no f0: nothing is voiced", showarrow=False, font={"size": 10}, **note)
        return
    y = np.where(voiced, np.round(f0_hz, 1), np.nan).astype(np.float32)
    told = "f0 at %{x:.2f} s: %{y:.0f} Hz<extra></extra>"
    for color, width, more in (("#111111", 6, {"hoverinfo": "skip"}), ("#ffffff", 3, {"hovertemplate": told})):
        line = {"color": color, "width": width}
        figure.add_scatter(
            x=times, y=y, mode="lines", line=line, name="f0", showlegend=False, **more, **place,
        )  # fmt: skip
    median_hz = float(np.median(f0_hz[voiced]))
    low, high = (float(np.log10(median_hz * 2 ** (st / 12))) for st in _F0_ROOM_ST)
    ticks = [hz for hz in _F0_TICKS_HZ if low <= np.log10(hz) <= high]
    axis = {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": [str(hz) for hz in ticks]}
    figure.update_yaxes(title_text="f0 (Hz)", showgrid=False, fixedrange=True, **axis, **place)
