"""The executor on a cluster, with a client that stands in for Dask's."""

import pytest

from prosody.speech.corpus import cluster
from prosody.speech.corpus.workers import Lost


class _Closed:
    """A client whose scheduler has just gone, and that does not say so yet."""

    status = "running"

    def nthreads(self):
        return {"tcp://127.0.0.1:1": 1}

    def submit(self, *_, **__):
        raise RuntimeError("Tried sending message after closing")

    def cancel(self, *_, **__): ...


def test_a_task_that_cannot_be_handed_out_is_lost_not_waited_for():
    pool = cluster._Pool(_Closed(), {}, None, patience_s=60.0)
    try:
        first = pool.submit(abs, -1)
        with pytest.raises(Lost, match="the scheduler of the cluster ended"):
            first.result(timeout=5)
        assert not pool.waiting
        with pytest.raises(Lost):
            pool.submit(abs, -2)
    finally:
        pool.shutdown(wait=False)
