import pandas as pd

from bench import measuring, report


def test_the_table_has_every_figure_and_the_machine_it_is_of() -> None:
    of = {"day": "2026-01-02", "code": "1a2b"}
    figures = [
        measuring.figure("convert", "images/s", ">= 2", [3000, 4000], [1000, 1000]),
        measuring.figure("repro", "s", "<= 4 s", [3.14159]),
        measuring.figure("train", "s", "", [1]),
    ]
    machines = ["Fast", "Slow", "Fast"]
    rows = [one | of | {"machine": name} for one, name in zip(figures, machines, strict=True)]
    lines = report.markdown(pd.DataFrame(rows)).splitlines()
    assert [line.replace(" ", "") for line in lines[2:]] == [
        "|convert|images/s|3,500[3,000,4,000]|1,000|3.5[3,4]|>=2|2026-01-02|1|",
        "|repro|s|3.142|||<=4s|2026-01-02|2|",
        "|train|s|1||||2026-01-02|1|",
        "",
        "Machines:",
        "",
        "1.Fast.",
        "2.Slow.",
    ]


def test_the_committed_table_has_the_results() -> None:
    table = report.TABLE.read_text(encoding="utf-8")
    assert table == f"{report.markdown(measuring.read())}\n"
