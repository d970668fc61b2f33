"""Runs a study's trainings side by side with Ray, on this machine or on many.

``RAY_ADDRESS`` names a cluster; without it, a Ray of our own on this machine takes as many
trainings at a time as there are CPU cores for.
"""

import os
import platform
import shutil
import socket
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import sklearn
from tqdm import tqdm

from digits.data.dataset import Images
from digits.errors import PipelineError
from digits.io import read_json, write_json
from digits.training import identity
from studies.runs import Row, Run

ROOT = Path(__file__).parents[1]
TRIES = 4  # of a training whose worker or machine was lost
MEMORY = 1.5 * 2**30  # bytes that a worker with TensorFlow may need
TRAININGS_PER_WORKER = 20  # a worker grows, so it is replaced now and then
PATIENCE = 5  # seconds until a cluster must answer
TOKEN = Path.home() / ".ray/auth_token"  # which Ray makes
# A training step allocates and frees hundreds of megabytes. What glibc gives back to the system
# comes again page by page, zeroed: up to a third of the time of a training with one thread.
MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TOP_PAD_": str(2**29),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}

Outcome = tuple[str, Any]  # "done" and the rows, or "failed" or "unfit" and the reason


def run(
    trainings: Mapping[str, Run], images: Images, store: Path
) -> Iterator[tuple[str, list[Row]]]:
    """Run what ``store`` does not hold yet; yield identity and rows of each as it is there.

    ``trainings`` are by identity. ``store`` is a folder that every machine sees under this name; a
    training has a folder in there, by its identity, with its rows and kept.npz, or with its state.
    Raises PipelineError after the last if some failed, or if no machine can take part.
    """
    finished = {key: rows for key in trainings if (rows := load(store / key))}
    yield from finished.items()
    waiting = {key: one for key, one in trainings.items() if key not in finished}
    if not waiting:
        return
    for key in waiting:
        (store / key).mkdir(parents=True, exist_ok=True)
    failed = []
    with tqdm(total=len(trainings), initial=len(finished), unit="run") as bar:
        for key, running, (kind, content) in _with_ray(waiting, images, store):
            bar.update()
            if kind == "done":
                yield key, content
            else:
                failed.append(f"{waiting[key].name}: {content}")
                bar.write(f"failed: {failed[-1]}")
            bar.set_postfix(running=running, failed=len(failed))
    if failed:
        told = f"{len(failed)} of {len(trainings)} runs failed, the others are kept"
        raise PipelineError(f"{told}: {'; '.join(failed)}")


def load(folder: Path) -> list[Row] | None:
    """Return the rows in a training's folder, if they are there."""
    try:
        rows: list[Row] = read_json(folder / "rows.json")
    except (FileNotFoundError, ValueError):
        return None
    return rows


def attempt(one: Run, images: Images, folder: Path) -> Outcome:
    """Run a training in its folder, going on from where another attempt was lost.

    Each attempt works in a folder of its own, since one that was given up for lost may still be at
    work; both come to the same result, and either may put it in place.
    """
    if rows := load(folder):
        return "done", rows
    with (
        (folder / "log.txt").open("a", encoding="utf-8", buffering=1) as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        print(f"{one.name}, on {platform.node()}, process {os.getpid()}")
        try:
            states = folder.glob("attempt-*/state")
            latest = max(states, key=lambda path: path.stat().st_mtime, default=None)
            own = Path(tempfile.mkdtemp(prefix="attempt-", dir=folder))
            if latest:
                shutil.copytree(latest, own / "state")
            rows = one.execute(images, own)
            write_json(own / "rows.json", rows)
            for name in ("kept.npz", "rows.json"):
                (own / name).replace(folder / name)
        except Exception as error:  # whatever it is, the others go on
            if rows := load(folder):  # another attempt finished, and cleared this one away
                return "done", rows
            traceback.print_exc()
            kind = "" if isinstance(error, PipelineError) else f"{type(error).__name__}: "
            return "failed", f"{kind}{error} (see {folder / 'log.txt'})"
    for path in folder.glob("attempt-*"):
        shutil.rmtree(path, ignore_errors=True)
    return "done", rows


def _with_ray(
    trainings: Mapping[str, Run], images: Images, store: Path
) -> Iterator[tuple[str, int, Outcome]]:
    """Yield identity, number of those still running, and outcome of each training."""
    ray = _connect()
    try:
        shared = ray.put(images)
        remote = ray.remote(max_retries=TRIES - 1, max_calls=TRAININGS_PER_WORKER, memory=MEMORY)(
            _attempt_elsewhere
        )
        queue = list(trainings)
        unfit: dict[str, str] = {}  # why a machine cannot take part, by its number
        under_way: dict[Any, str] = {}
        while queue or under_way:
            threads = trainings[queue[0]].threads if queue else 1
            places = _places(ray.nodes(), threads, unfit, bool(under_way))
            while queue and len(under_way) < places:
                key = queue.pop(0)
                labels = {"ray.io/node-id": f"!in({','.join(unfit)})"} if unfit else None
                task = remote.options(num_cpus=threads, label_selector=labels).remote(
                    trainings[key], shared, (store / key).absolute(), _versions()
                )
                under_way[task] = key
            ready, _ = ray.wait(list(under_way), timeout=PATIENCE)
            for task in ready:
                key = under_way.pop(task)
                try:
                    outcome: Outcome = ray.get(task)
                except ray.exceptions.RayError as error:
                    cause = getattr(error, "cause", error)  # on the worker, beside the training
                    outcome = "failed", f"{type(cause).__name__}: {cause}".splitlines()[0]
                if outcome[0] == "unfit":
                    node, reason = outcome[1]
                    if node not in unfit:
                        print(f"{reason}: goes on without it", flush=True)
                    unfit[node] = reason
                    queue.insert(0, key)
                else:
                    yield key, len(under_way), outcome
    finally:
        ray.shutdown()


def _attempt_elsewhere(one: Run, images: Images, folder: Path, versions: dict[str, str]) -> Outcome:
    """Run a training on a worker, if its machine can take part."""
    import ray

    if reason := unfit_for(folder, versions):
        return "unfit", (ray.get_runtime_context().get_node_id(), reason)
    return attempt(one, images, folder)


def unfit_for(folder: Path, versions: dict[str, str]) -> str | None:
    """Return why this machine cannot take part in a study, if it cannot."""
    machine, own = platform.node(), _versions()
    others = [
        f"{name} {own[name] or 'unset'}, expected {wanted or 'unset'}"
        for name, wanted in versions.items()
        if own[name] != wanted
    ]
    if others:
        return f"{machine} has other versions than here: {', '.join(others)}"
    if not folder.is_dir():
        return f"{machine} does not see {folder}; STUDY_STORE must name a folder that all share"
    return None


def _versions() -> dict[str, str]:
    """Return the versions and switches that must be the same on all machines."""
    return identity.platform() | {"scikit-learn": sklearn.__version__}


def _places(nodes: list[dict[str, Any]], threads: int, unfit: Mapping[str, str], busy: bool) -> int:
    """Return how many trainings of so many threads fit on the machines that are there now.

    Fail where none does, unless the study is ``busy`` with some whose machine may come back.
    """
    fit = [one["Resources"] for one in nodes if one["Alive"] and one["NodeID"] not in unfit]
    places = [min(one.get("CPU", 0) // threads, one.get("memory", 0) // MEMORY) for one in fit]
    if not any(places) and not busy:
        raise PipelineError(
            "; ".join(unfit.values())
            or f"no machine has {threads} CPU cores and {MEMORY / 2**30:.1f} GiB of memory for a "
            "training; `threads` in the study says how many it takes"
        )
    return int(sum(places))


def _connect() -> Any:
    """Join the cluster at RAY_ADDRESS, or start a Ray of our own that is deaf to the network.

    Return Ray, which reads its environment when it is first imported.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _knock(address)
    else:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray opens all interfaces
    try:
        import ray
    except ModuleNotFoundError:
        raise PipelineError("studies need the package ray: `make setup` installs it") from None

    own = {} if address else {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
    code = [str(ROOT / package) for package in ("digits", "studies")]
    environment = {"py_modules": code, "env_vars": MALLOC}
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        ray.init(address=address or "local", runtime_env=environment, **quiet, **own)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0]
        hint = "if it wants a token, set RAY_AUTH_MODE=token (docs/cluster.md)"
        refused = f"RAY_ADDRESS {address}: no cluster took us: {reason}; {hint}"
        raise PipelineError(refused if address else reason) from None
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
