"""hear: everything about a recording in one go."""

from prosody import markers
from prosody.speech.audio import read
from prosody.speech.hear import hear

LIBRIVOX = "librivox/sense_and_sensibility_01_austen_64kb-0870.wav"


def test_a_recording_is_heard_with_its_text(shared):
    audio = read(shared / LIBRIVOX)
    lines = (shared / "librivox" / "transcription").read_text().splitlines()
    said = next(line for line in lines if "0870" in line)
    text = said.split("(")[0].replace("<s>", "").replace("</s>", "").strip()
    shares = []
    hearing = hear(audio, markers.parse(text), progress=shares.append)
    assert [word.text for word in hearing.words] == text.split()
    assert len(hearing.heard) == len(hearing.words)
    assert all(word.evidence and word.measured and 0 <= word.confidence <= 1 for word in hearing.words)
    assert hearing.profile.words_per_minute > 60
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
