import signal
import threading

import pytest

from prosody.lm.interrupt import held_back

pytestmark = pytest.mark.usefixtures("ctrl_c_heard")


def test_the_first_one_is_noted_and_the_second_one_counts():
    with held_back() as is_interrupted:
        assert not is_interrupted()
        signal.raise_signal(signal.SIGINT)
        assert is_interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_one_process_of_several_it_counts_at_once():
    with held_back(alone=False) as is_interrupted:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not is_interrupted()


def test_where_it_is_ignored_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back() as is_interrupted:
        signal.raise_signal(signal.SIGINT)
        assert not is_interrupted()


def test_outside_the_main_thread_nothing_is_held_back():
    found = []

    def work():
        with held_back() as is_interrupted:
            found.append((is_interrupted(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, signal.default_int_handler)]
