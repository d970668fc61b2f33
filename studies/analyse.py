"""Analyse the runs of a study: python -m studies.analyse NAME.

Reads studies/NAME/study.yaml, studies/NAME/runs/, params.yaml, and what the study's own analysis
names. Writes to studies/NAME/results/ summary.json, tables.md (for docs/NAME.md, see
`make docs`) and figures.
"""

import importlib

from digits.errors import command_line, run_stage
from digits.evaluation import figures
from digits.io import replacing, write_json
from studies import study, table
from studies.analysis import Findings
from studies.study import STUDIES


def main() -> None:
    """Analyse the study named on the command line: as it says itself, or as all are."""
    parser = command_line("studies.analyse", __doc__, name="a folder of studies/ with a study.yaml")
    name = parser.parse_args().name
    one, folder = study.read(name), STUDIES / name
    path, results = folder / "runs/runs.csv", folder / "results"
    rows = table.chosen(table.read(path), one, path)
    own = f".{name}" if (folder / "analysis.py").is_file() else ""
    findings: Findings = importlib.import_module(f"studies{own}.analysis").analyse(
        one, rows, folder
    )
    texts = dict(findings.tables)
    if older := int(rows["processor"].isna().sum()):
        text = f"\n\n{older} of {len(rows)} rows do not say on which processor they were made."
        texts["tables.md"] += text
    write_json(results / "summary.json", findings.summary)
    for file, text in texts.items():
        with replacing(results / file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    for file, figure in findings.figures.items():
        figures.save(results / file, figure)
    written = ", ".join(["summary.json", *texts, *findings.figures])
    print(f"{texts['tables.md']}\n\n{results}: {len(rows)} rows; wrote {written}")


if __name__ == "__main__":
    run_stage("study", main)
