import re
from pathlib import Path

from bench import measuring, server_load


def test_the_load_is_measured(model: Path) -> None:
    options = ["--connections", "1", "3", "--seconds", "1"]
    output = measuring.run("bench.server_load", "--model", str(model), *options).output
    size = server_load.DRAWING.stat().st_size
    assert re.match(rf"{size:,} bytes a drawing; memory \d+\.\d MB\n", output)
    lines = re.findall(
        r"^connections: (\d); requests/s: ([\d,]+); ms: p50 ([\d.]+), p99 ([\d.]+), "
        r"slowest ([\d.]+); CPU us a request: (\d+); memory [\d.]+ MB$",
        output,
        re.M,
    )
    assert [line[0] for line in lines] == ["1", "3"]
    for line in lines:
        rate, p50, p99, slowest, cpu = (float(part.replace(",", "")) for part in line[1:])
        assert rate > 10
        assert 0 < p50 <= p99 <= slowest + 0.05  # rounded
        assert 100 < cpu < 100_000
