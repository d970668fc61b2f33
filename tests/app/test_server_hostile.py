"""Bodies made to hurt; ``python -m bench.server_hostile`` sends many more."""

from pathlib import Path

from bench import server_hostile
from tests.app.serving import Server

BODIES = 400


def test_hostile_bodies_get_an_answer_and_hurt_nobody(model: Path) -> None:
    with Server(model) as server:  # which looks at the complaints
        before = server_hostile.peak_memory(server.process.pid)
        statuses, good, slowest = server_hostile.attack(server.port, BODIES, seed=0)
        assert server_hostile.peak_memory(server.process.pid) < before + 200  # megabytes
    assert statuses.total() == BODIES
    assert statuses[408] == BODIES // 100
    assert statuses.keys() == {200, 408, 413, 415, 422}
    assert good > 50
    assert slowest < 1  # second
