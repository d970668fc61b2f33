from bench import measuring, report
from digits.io import read_json

MACHINE = {
    "processor": "Fast",
    "processors": 2,
    "memory_gb": 24,
    "system": "Linux 6",
    "python": "3.11.7",
    "packages": {"keras": "3.15.0"},
}


DAY = {"day": "2026-01-02", "code": "abc"}


def test_the_tables_have_every_figure() -> None:
    compared = measuring.pairs("convert", "images/s", [(3000, 1000), (4000, 1000)], ">= 2")
    many = measuring.pairs("train", "images/s", [(48123, 7e4)], ">= 1")
    single = {"what": "repro", "unit": "s", "wanted": "<= 4", "ours": measuring.spread([3.14159])}
    grown = {
        "stage": "convert",
        "times": 50,
        "seconds": 100.0,
        "seconds_an_image": 0.54,
        "processor_an_image": 0.52,
        "of_the_size_before": 1.04,
        "megabytes": 150,
        "megabytes_wanted": 644,
    }
    profiled = {"profile": "lenet5", "milliseconds": 1500.5, "parts": {"pooling": 0.1, "rest": 0.9}}
    single["note"] = "DVC 3"
    accuracy = {**single, "what": "read", "mean": 3.14259}
    compared, many, single, accuracy, grown, profiled = (
        {**one, **DAY} for one in (compared, many, single, accuracy, grown, profiled)
    )
    results = [
        {"machine": MACHINE, "figures": [compared, many, single, accuracy, profiled]},
        {
            "machine": {**MACHINE, "processor": "Slow", "onednn_max_cpu_isa": "AVX2"},
            "figures": [grown],
        },
        {"machine": MACHINE, "figures": [{**grown, "times": 10}]},
    ]
    lines = [line.replace(" ", "") for line in report.markdown(results).splitlines()]
    assert (
        "|convert|images/s|3,500[3,000,4,000]|1,000[1,000,1,000]|3.5[3,4]|>=2|2026-01-02|1|"
        in lines
    )
    assert "|repro(DVC3)|s|3.142[3.142,3.142]|||<=4|2026-01-02|1|" in lines
    assert "|read(DVC3)|s|3.142[3.142,3.142],mean3.14|||<=4|2026-01-02|1|" in lines
    assert "|train|images/s|48,120[48,120,48,120]|70,000[70,000,70,000]|" in "".join(lines)
    assert "|convert|50x|100.0|0.54|<=1.20|1.04|0.52|150|<=644|2026-01-02|2|" in lines
    assert "|convert|10x|100.0|0.54|<=1.20|1.04|0.52|150|<=644|2026-01-02|1|" in lines
    growing = [line.split("|")[2] for line in lines if "0x|" in line]
    assert growing == ["10x", "50x"]
    assert "|lenet5|1,500.5|rest90%,pooling10%|2026-01-02|1|" in lines
    assert lines[-2:] == [
        "1.Fast,2processors,24GB;Linux6,Python3.11.7;keras3.15.0.",
        "2.Slow,2processors,24GB;Linux6,Python3.11.7;keras3.15.0,oneDNNwithAVX2atmost.",
    ]


def test_the_page_has_the_figures_of_the_results() -> None:
    results = [read_json(path) for path in sorted(measuring.RESULTS.glob("*.json"))]
    page = (measuring.ROOT / report.PAGE).read_text(encoding="utf-8")
    assert report.markdown(results) in page
