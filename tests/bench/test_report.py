from bench import measuring, report
from digits.io import read_json

MACHINE = {"processor": "Fast", "processors": 2, "memory_gb": 24, "system": "Linux 6"}
MACHINE |= {"python": "3.11.7", "packages": {"keras": "3.15.0"}}


def test_the_tables_have_every_figure() -> None:
    figure = measuring.figure
    grown = {"stage": "convert", "times": 50, "seconds": 100.0, "megabytes": 150}
    grown |= {"seconds_an_image": 0.54, "processor_an_image": 0.52, "of_the_size_before": 1.04}
    grown |= {"megabytes_wanted": 644}
    first = [
        figure("convert", "images/s", ">= 2", [3000, 4000], [1000, 1000]),
        figure("train", "images/s", ">= 1", [48123], [7e4]),
        figure("repro", "s", "<= 4", [3.14159], note="DVC 3"),
        figure("test", "%", "", [3.14159], mean=3.14259),
    ]
    limited = {**MACHINE, "processor": "Slow", "onednn_max_cpu_isa": "AVX2"}
    results = [
        {"machine": machine, "figures": [{**one, "day": "2026-01-02"} for one in figures]}
        for machine, figures in (
            (MACHINE, first),
            (limited, [grown]),
            (MACHINE, [{**grown, "times": 10}]),
        )
    ]
    lines = [line.replace(" ", "") for line in report.markdown(results).splitlines()]
    rows = [line for line in lines if "|2026-01-02|" in line]
    assert rows == [
        "|convert|images/s|3,500[3,000,4,000]|1,000[1,000,1,000]|3.5[3,4]|>=2|2026-01-02|1|",
        "|train|images/s|48,120[48,120,48,120]|70,000[70,000,70,000]|0.6875[0.6875,0.6875]|>=1"
        "|2026-01-02|1|",
        "|repro(DVC3)|s|3.142[3.142,3.142]|||<=4|2026-01-02|1|",
        "|test|%|3.142[3.142,3.142],mean3.14||||2026-01-02|1|",
        "|convert|10x|100.0|0.54|<=1.20|1.04|0.52|150|<=644|2026-01-02|1|",
        "|convert|50x|100.0|0.54|<=1.20|1.04|0.52|150|<=644|2026-01-02|2|",
    ]
    assert lines[-2:] == [
        "1.Fast,2CPUcores,24GB;Linux6,Python3.11.7;keras3.15.0.",
        "2.Slow,2CPUcores,24GB;Linux6,Python3.11.7;keras3.15.0,oneDNNwithAVX2atmost.",
    ]


def test_the_committed_tables_have_the_results() -> None:
    results = [read_json(path) for path in sorted(measuring.RESULTS.glob("*.json"))]
    assert report.TABLES.read_text(encoding="utf-8") == f"{report.markdown(results)}\n"
