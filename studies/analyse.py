"""Analyse the runs of a study: python -m studies.analyse NAME.

Reads studies/NAME/study.yaml, runs.csv and runs/, params.yaml, and what the study's own analysis
names. Writes to studies/NAME/results/ summary.json, tables.md (for docs/NAME.md, see
`make docs`) and figures.
"""

import argparse
import importlib
from types import ModuleType

from digits.errors import run_stage
from digits.evaluation import figures
from digits.io import replacing, write_json
from studies import analysis, study, table
from studies.analysis import Findings
from studies.study import STUDIES


def main() -> None:
    """Analyse the study named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.analyse", description=__doc__)
    parser.add_argument("name", help="a folder of studies/ with a study.yaml")
    name = parser.parse_args().name
    one, folder = study.read(name), STUDIES / name
    results = folder / "results"
    path = folder / "runs/runs.csv"
    rows = table.chosen(table.read(path), one, path)
    findings: Findings = analysis_of(name).analyse(one, rows, folder)
    write_json(results / "summary.json", findings.summary)
    texts = {**findings.tables, "tables.md": findings.tables["tables.md"] + analysis.older(rows)}
    for file, text in texts.items():
        with replacing(results / file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    for file, figure in findings.figures.items():
        figures.save(results / file, figure)
    written = ", ".join(["summary.json", *texts, *findings.figures])
    print(f"{texts['tables.md']}\n\n{results}: {len(rows)} rows; wrote {written}")


def analysis_of(name: str) -> ModuleType:
    """Return the analysis of a study: its own, or that of all."""
    if (STUDIES / name / "analysis.py").is_file():
        return importlib.import_module(f"studies.{name}.analysis")
    return analysis


if __name__ == "__main__":
    run_stage("study", main)
