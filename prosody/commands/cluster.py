"""Where the tasks of a command are done: by processes of this machine, or by a Dask cluster, here or elsewhere.

Whoever can reach a Dask scheduler can run any program on its workers. So an address on the network has to be one of
TLS, whose certificates keep others out, unless it is said that the network itself is safe.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import signal
import warnings
from argparse import Namespace, _ActionsContainer
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prosody.errors import ProsodyError, one_line

if TYPE_CHECKING:
    import distributed

_CONNECT_S = 10.0
_CLOSE_S = 5.0
_MORE_TRIES = 2  # of a task whose worker died, on a cluster of our own
_LOG = "DASK_LOGGING__DISTRIBUTED"  # environment variable: how much Dask's processes tell on stderr
_TLS = ("tls_ca", "tls_cert", "tls_key")


def add_options(command: _ActionsContainer) -> None:
    """Who does the work."""
    add = command.add_argument
    add("--workers", type=int, metavar="N", help="how many processes (default: one a processor)")
    add("--scheduler", metavar="ADDRESS", help="work on a Dask cluster: tls://host:8786, tcp://127.0.0.1:8786")
    add("--local-cluster", type=int, metavar="N", help="work on a Dask cluster of N workers on this machine")
    add("--tls-ca", metavar="FILE", help="with tls://: the authority that signed the cluster's certificates")
    add("--tls-cert", metavar="FILE", help="with tls://: this machine's certificate")
    add("--tls-key", metavar="FILE", help="with tls://: the key of that certificate")
    add("--insecure", action="store_true", help="allow tcp:// on a network where everybody may run programs")


@contextmanager
def workers(arguments: Namespace) -> Iterator[Executor]:
    """Those that the options ask for, as an executor. Raises ProsodyError if they can't be had."""
    from prosody.speech.corpus import workers

    _check_number("--workers", arguments.workers)
    _check_number("--local-cluster", arguments.local_cluster)
    asked = [one for one in ("workers", "local_cluster", "scheduler") if getattr(arguments, one) is not None]
    if len(asked) > 1:
        both = " and ".join(f"--{one.replace('_', '-')}" for one in asked)
        raise ProsodyError(None, both, "say twice who does the work", "give one of them")
    if asked in ([], ["workers"]):
        with workers.processes(arguments.workers or workers.available()) as pool:
            yield pool
        return
    _import_distributed(f"--{asked[0].replace('_', '-')}")
    from prosody.speech.corpus import cluster

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if arguments.scheduler is not None:
            client = stack.enter_context(_joined(arguments))
        else:
            client = stack.enter_context(_own(arguments.local_cluster, _security(arguments)))
        yield stack.enter_context(cluster.executor(client, more=package))


def on_cluster(arguments: Namespace) -> bool:
    """Whether other machines may do the work: paths must not depend on where this one is at work then."""
    return arguments.scheduler is not None or arguments.local_cluster is not None


def package() -> Mapping[str, str]:
    """The package as it lies here, by its hash."""
    from prosody.workflow.source_code import package_sha256

    return {"package": f"sha256 {package_sha256(None)[:16]}"}


def check_address(address: str, *, insecure: bool) -> None:
    """Refuse an address of a scheduler that is none, or through which anybody could run programs on the workers."""
    protocol, mark, rest = address.partition("://")
    host, colon, port = rest.rpartition(":")
    if not mark or protocol not in ("tcp", "tls") or not colon or not port.isdecimal() or not host:
        remedy = "give one such as tls://host:8786, or tcp://127.0.0.1:8786"
        raise ProsodyError(None, "--scheduler", f"{address!r} is no address of a scheduler", remedy)
    if protocol == "tcp" and not insecure and not _is_loopback(host.strip("[]")):
        what = f"{address} is not encrypted, and lets whoever reaches it run programs on the workers"
        raise ProsodyError(None, "--scheduler", what, "use tls:// with --tls-ca, or say --insecure")


def _check_number(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ProsodyError(None, option, f"is {value}", "give a number from 1 on")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _import_distributed(option: str) -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        what = f"needs the package distributed, which is not there ({error})"
        remedy = "install it on every machine: `python -m pip install distributed`"
        raise ProsodyError(None, option, one_line(what), remedy) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's log: what matters of it is told in a line, by who asked for the cluster."""
    found = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = [one.disabled for one in found]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in found:
            one.disabled = True
        try:
            yield
        finally:
            for one, was in zip(found, before, strict=True):
                one.disabled = was


def _security(arguments: Namespace) -> distributed.Security | None:
    """The certificates that were given, beside what Dask's own configuration says; None if neither has any."""
    from distributed import Security

    given = {name: getattr(arguments, name) for name in _TLS if getattr(arguments, name) is not None}
    for name, path in given.items():
        if not Path(path).is_file():
            raise ProsodyError(path, f"--{name.replace('_', '-')}", "not found", "name a file in PEM format")
    names = {"tls_ca": ["tls_ca_file"]}
    for name in ("cert", "key"):
        names[f"tls_{name}"] = [f"tls_{who}_{name}" for who in ("client", "scheduler", "worker")]
    options: dict[str, Any] = {field: path for name, path in given.items() for field in names[name]}
    made = Security(**options, **({"require_encryption": True} if options else {}))
    return made if made.tls_ca_file or made.require_encryption else None


@contextmanager
def _joined(arguments: Namespace) -> Iterator[distributed.Client]:
    """A client of the scheduler that was named."""
    from distributed import Client

    address = arguments.scheduler
    check_address(address, insecure=arguments.insecure)
    security = _security(arguments)
    if address.startswith("tls://") and security is None:
        raise ProsodyError(None, "--scheduler", f"{address} needs certificates", "give --tls-ca, --tls-cert, --tls-key")
    try:
        client = Client(address, security=security, timeout=_CONNECT_S, set_as_default=False, name="prosody")
    except Exception as error:  # of many kinds: no answer, no such host, no certificate that fits
        why = re.sub(r"in <[^>]*>: ", "", str(error.__cause__ or error)) or type(error).__name__
        what = one_line(f"{address} can't be reached ({why:.120})")
        remedy = "start it with `dask scheduler`; see that address, certificates and firewall fit"
        raise ProsodyError(None, "--scheduler", what, remedy) from None
    try:
        yield client
    finally:
        _close(client)


@contextmanager
def _own(n: int, security: distributed.Security | None) -> Iterator[distributed.Client]:
    """A client of a new cluster of `n` processes that only this machine can reach, and that ends with the block."""
    import multiprocessing

    from distributed import Client

    others, cluster = set(multiprocessing.active_children()), None
    with ExitStack() as closing:
        try:
            with _ctrl_c_is_ours():
                cluster = _started(n, security)
                closing.callback(_close, cluster)
            client = Client(cluster, set_as_default=False, timeout=_CONNECT_S, name="prosody")
            closing.callback(_close, client)
            yield client
        except BaseException:  # what they are at is given up
            if cluster is None:
                raise
            for nanny in cluster.workers.values():
                nanny.auto_restart = False
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            raise


def _started(n: int, security: distributed.Security | None) -> distributed.LocalCluster:
    """A cluster of processes that listen to this machine only, without pages or a log."""
    import dask
    from distributed import LocalCluster

    options = {"n_workers": n, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    options |= {"memory_limit": 0, "silence_logs": logging.CRITICAL, "security": security}
    options |= {"protocol": "tls://" if security else "tcp://"}
    config: dict[str, Any] = {"distributed.nanny.pre-spawn-environ": {_LOG: "critical"}}
    config |= {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker")}
    config |= {"distributed.worker.profile.enabled": False}  # it looks at each thread a hundred times a second
    before = os.environ.get(_LOG)
    try:
        with dask.config.set(config):
            return LocalCluster(**options, scheduler_kwargs={"allowed_failures": _MORE_TRIES})
    except Exception as error:  # certificates that are none, no room for processes
        what = one_line(f"can't be started ({type(error).__name__}: {error.__cause__ or error})")
        raise ProsodyError(None, "--local-cluster", what, "read the brackets, or use --workers") from None
    finally:
        os.environ.pop(_LOG, None) if before is None else os.environ.update({_LOG: before})


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Threads that begin here, and the processes that these begin, never hear Ctrl-C. (On Windows they do.)"""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _close(one: distributed.Client | distributed.LocalCluster) -> None:
    with suppress(Exception):  # the scheduler may be gone
        one.close(timeout=_CLOSE_S)
