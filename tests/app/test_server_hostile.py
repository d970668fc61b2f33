"""Bodies made to hurt; ``python -m bench.server_hostile`` sends many more."""

import time
from pathlib import Path

import pytest

from bench import server_hostile
from bench.server_load import usage
from tests.app.serving import Server

BODIES = 1500
STATUSES = {"200", "400", "408", "413", "415", "422", "hung up"}


@pytest.mark.parametrize("name", server_hostile.BOMBS)
def test_a_bomb_is_answered_at_once(server: Server, name: str) -> None:
    began = time.monotonic()
    answer = server.ask("/classify", server_hostile.BOMBS[name])
    assert time.monotonic() < began + 2
    assert answer.status in {413, 422}
    assert set(answer.json()) == {"detail"}


def test_hostile_bodies_get_an_answer_and_hurt_nobody(model: Path) -> None:
    with Server(model) as server:
        server_hostile.attack(server.port, BODIES, seed=-1)  # what is taken once
        before = usage(server.port)[1]
        statuses, good, slowest = server_hostile.attack(server.port, BODIES, seed=0)
        assert usage(server.port)[1] < before + 20  # megabytes
        assert server.end() == 0
    assert statuses.total() == BODIES
    assert statuses["408"] == statuses["hung up"] == BODIES // 100
    assert {"200", "413", "415", "422"} <= statuses.keys() <= STATUSES
    assert good > 50
    assert slowest < 5
    assert server.complaints.count("\n") <= 1, server.complaints
