"""Processes that end with the one they work for."""

import signal

import pytest

from prosody.speech.corpus import workers


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks here")
def test_workers_never_hear_ctrl_c():
    """Not even as they start, when a traceback of each would be told."""
    with workers.processes(1) as pool:
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
