"""Runs a study's trainings: one after another in this process, or with Ray on many machines.

With Ray (the extra ``cluster``), ``RAY_ADDRESS`` names a cluster; without it, a Ray of our own on
this machine takes as many trainings at a time as there are processors for.
"""

import importlib.util
import os
import platform
import shutil
import socket
import tempfile
import traceback
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import sklearn
from tqdm import tqdm

from digits.errors import PipelineError
from digits.io import read_json, write_json
from digits.training import determinism, memory
from studies import jobs, sources

TRIES = 4  # of a training whose worker or machine was lost
MEMORY = 1.5 * 2**30  # bytes that a worker with TensorFlow may need
TRAININGS_PER_WORKER = 20  # a worker grows, so it is replaced now and then
PATIENCE = 5  # seconds until a cluster must answer
TOKEN = Path.home() / ".ray/auth_token"  # which Ray makes

Outcome = tuple[str, Any]  # "done" and the result, or "failed" or "unfit" and the reason


def run(
    trainings: Mapping[str, jobs.Job], images: jobs.Images, store: Path
) -> Iterator[tuple[str, jobs.Result]]:
    """Run what ``store`` does not hold yet; yield identity and result of each as it is there.

    Args:
        trainings: by identity.
        images: for all of them.
        store: a folder that every machine sees under this name. Each training has a folder in
            there, by its identity, with its result or with its state after the last epoch.

    Raises:
        PipelineError: trainings failed (raised after the last; the others were yielded), or a
            machine cannot take part.
    """
    finished = {identity: result for identity in trainings if (result := load(store / identity))}
    yield from finished.items()
    waiting = {key: job for key, job in trainings.items() if key not in finished}
    if not waiting:
        return
    for identity in waiting:
        (store / identity).mkdir(parents=True, exist_ok=True)
    failed = []
    with tqdm(total=len(trainings), initial=len(finished), unit="training") as bar:
        for identity, running, outcome in _engine()(waiting, images, store):
            if outcome:
                kind, content = outcome
                if kind == "unfit":
                    raise PipelineError(content)
                bar.update()
                if kind == "failed":
                    failed.append(f"{waiting[identity].name}: {content}")
                    bar.write(f"failed: {failed[-1]}")
                else:
                    yield identity, content
            bar.set_postfix(running=running, failed=len(failed))
    if failed:
        raise PipelineError(
            f"{len(failed)} of {len(trainings)} trainings failed, the others are kept: "
            + "; ".join(failed)
        )


def load(folder: Path) -> jobs.Result | None:
    """Return the result in a training's folder, if it is there."""
    try:
        result: jobs.Result = read_json(folder / "result.json")
    except (FileNotFoundError, ValueError):
        return None
    return result


def attempt(job: jobs.Job, images: jobs.Images, folder: Path) -> Outcome:
    """Run a training in its folder, going on from where another attempt was lost.

    Each attempt writes into a folder of its own, since one that was given up for lost may still be
    at work; both come to the same result, and either may put it in place.
    """
    if result := load(folder):
        return "done", result
    with (
        (folder / "log.txt").open("a", encoding="utf-8", buffering=1) as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        print(f"{job.name}, on {platform.node()}, process {os.getpid()}")
        try:
            determinism.pin(0, job.threads)
            memory.keep()
            own = _own_folder(folder)
            result = job.run(images, own)
            write_json(own / "result.json", result)
            (own / "result.json").replace(folder / "result.json")
        except Exception as error:  # whatever it is, the others go on
            if result := load(folder):  # another attempt finished, and cleared this one away
                return "done", result
            traceback.print_exc()
            kind = "" if isinstance(error, PipelineError) else f"{type(error).__name__}: "
            return "failed", f"{kind}{error} (see {folder / 'log.txt'})"
    for path in folder.glob("attempt-*"):
        shutil.rmtree(path, ignore_errors=True)
    return "done", result


def _own_folder(folder: Path) -> Path:
    """Return a new folder for an attempt, with the latest state of those before it."""
    states = sorted(folder.glob("attempt-*/state.npz"), key=lambda path: path.stat().st_mtime)
    own = Path(tempfile.mkdtemp(prefix="attempt-", dir=folder))
    if states:
        shutil.copyfile(states[-1], own / "state.npz")
    return own


Events = Iterator[tuple[str, int, Outcome | None]]  # identity, how many are running, what came out


def _engine() -> Any:
    return _with_ray if importlib.util.find_spec("ray") else _in_this_process


def _in_this_process(trainings: Mapping[str, jobs.Job], images: jobs.Images, store: Path) -> Events:
    for identity, job in trainings.items():
        yield identity, 1, None
        yield identity, 0, attempt(job, images, store / identity)


def _with_ray(trainings: Mapping[str, jobs.Job], images: jobs.Images, store: Path) -> Events:
    ray = _connect()
    try:
        shared = ray.put(images)
        remote = ray.remote(max_retries=TRIES - 1, max_calls=TRAININGS_PER_WORKER, memory=MEMORY)(
            _attempt_elsewhere
        )
        queue = deque(trainings.items())
        under_way: dict[Any, str] = {}
        while queue or under_way:
            while queue and len(under_way) < _places(ray.nodes(), queue[0][1].threads, under_way):
                identity, job = queue.popleft()
                task = remote.options(num_cpus=job.threads).remote(
                    job, shared, (store / identity).absolute(), _versions()
                )
                under_way[task] = identity
                yield identity, len(under_way), None
            ready, _ = ray.wait(list(under_way), timeout=PATIENCE)
            for task in ready:
                identity = under_way.pop(task)
                try:
                    outcome: Outcome = ray.get(task)
                except ray.exceptions.RayTaskError as error:  # on the worker, beside the training
                    outcome = "failed", str(error).strip().splitlines()[-1]
                except ray.exceptions.RayError as error:
                    outcome = "failed", f"{type(error).__name__}: {str(error).splitlines()[0]}"
                yield identity, len(under_way), outcome
    finally:
        ray.shutdown()


def _attempt_elsewhere(
    job: jobs.Job, images: jobs.Images, folder: Path, versions: dict[str, str]
) -> Outcome:
    """Run a training on a worker, if its machine can take part."""
    machine = platform.node()
    if _versions() != versions:
        return "unfit", f"{machine} has {_versions()}, expected {versions} as here"
    if not folder.is_dir():
        return "unfit", (
            f"{machine} does not see {folder}; STUDY_STORE must name a folder that all share"
        )
    return attempt(job, images, folder)


def _versions() -> dict[str, str]:
    """Return the versions that must be the same on all machines."""
    return jobs.versions() | {"sklearn": sklearn.__version__}


def _places(nodes: list[dict[str, Any]], threads: int, under_way: Collection[Any]) -> int:
    """Return how many trainings of so many threads fit on the machines that are there now.

    Raises:
        PipelineError: not one does, and none is under way whose machine may come back.
    """
    places = [
        min(
            node["Resources"].get("CPU", 0) // threads,
            node["Resources"].get("memory", 0) // MEMORY,
        )
        for node in nodes
        if node["Alive"]
    ]
    if not any(places) and not under_way:
        raise PipelineError(
            f"no machine has {threads} processors and {MEMORY / 2**30:.1f} GiB of memory for a "
            "training; `threads` in the study says how many it takes"
        )
    return int(sum(places))


def _connect() -> Any:
    """Join the cluster at RAY_ADDRESS, or start a Ray of our own that is deaf to the network.

    Returns:
        Ray, which reads its environment when it is first imported.

    Raises:
        PipelineError: nobody answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _knock(address)
    else:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray opens all interfaces
    import ray

    own = {} if address else {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
    code = [str(sources.ROOT / package) for package in ("digits", "stages", "studies")]
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level="error",
            runtime_env={"py_modules": code},
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0]
        if address:
            reason = (
                f"RAY_ADDRESS {address}: no cluster took us: {reason}; if it wants a token, set "
                "RAY_AUTH_MODE=token (docs/cluster.md)"
            )
        raise PipelineError(reason) from None
    if not address and TOKEN.is_file():
        TOKEN.chmod(0o600)  # Ray lets all users of the machine read it, and so run code
    return ray


def _knock(address: str) -> None:
    """Make sure somebody listens at host:port; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise PipelineError(
            f"RAY_ADDRESS: expected host:port of a cluster that runs, given {address}: {error}"
        ) from None
