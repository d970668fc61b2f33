"""Run a study: python -m studies.run NAME.

Reads studies/NAME/study.yaml, params.yaml and data/png/. Writes in studies/NAME/ runs.csv (a row
for each training), summary.json, gaps.png and, of a study with several numbers of images,
sizes.png; and brings the tables in docs/NAME.md up to date.

What runs.csv has is not trained again, as long as nothing that determines it has changed. A
training under way keeps its state in checkpoints/studies/, or where STUDY_STORE says; a study that
was stopped goes on from there. With the package ray, trainings run side by side on this machine, or
on the cluster that RAY_ADDRESS names (docs/cluster.md).
"""

import argparse
import os
from pathlib import Path

import pandas as pd

from digits import determinism, plotting, report
from digits.errors import PipelineError, run_stage
from digits.files import replacing, write_csv, write_json
from studies import engine, jobs, pictures, study, summary

STUDIES = Path("studies")
PNG = Path("data/png")


def main() -> None:
    """Run the study named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="a folder of studies/ with a study.yaml")
    name = parser.parse_args().name
    folder = STUDIES / name
    if not (folder / "study.yaml").is_file():
        known = sorted(path.parent.name for path in STUDIES.glob("*/study.yaml"))
        raise PipelineError(f"studies/ has no {name} with a study.yaml; it has {', '.join(known)}")
    images = jobs.read(PNG)
    chosen = study.read(folder / "study.yaml")
    determinism.pin(0, chosen.threads)  # before the check, which builds every network
    configured = study.expand(chosen, folder / "study.yaml", images)
    table = train(configured, images, folder / "runs.csv")
    described = summary.describe(table, configured.study)
    write_json(folder / "summary.json", described)
    plotting.save(folder / "gaps.png", pictures.gaps(described))
    drawn = ["gaps.png"]
    if len(configured.study.images) > 1:
        plotting.save(folder / "sizes.png", pictures.sizes(described))
        drawn.append("sizes.png")
    tables = summary.markdown(described)
    put_into_page(Path(f"docs/{name}.md"), tables, f"dvc repro studies/{name}/dvc.yaml")
    print(
        f"{tables}\n\n{folder}: {len(table)} trainings; wrote runs.csv, summary.json, "
        f"{', '.join(drawn)}"
    )


def train(configured: study.Configured, images: jobs.Images, path: Path) -> pd.DataFrame:
    """Run what the table at ``path`` does not have, keeping it up to date; return all rows.

    Raises:
        PipelineError: trainings failed; the table has the others.
    """
    trials = {jobs.identify(trial, images): trial for trial in configured.trials}
    results = summary.read_results(path, trials)
    known = len(results)
    if known:
        print(f"{known} of {len(trials)} trainings are in {path} already", flush=True)
    by_seed = sorted(trials, key=lambda identity: trials[identity].seed)  # a picture of all, early
    missing = {identity: trials[identity] for identity in by_seed if identity not in results}
    for identity, result in engine.run(missing, images, store()):
        results[identity] = result
        write_csv(path, summary.tabulate(trials, results, configured.bayes_error))
    table = summary.tabulate(trials, results, configured.bayes_error)
    write_csv(path, table)
    return table


def store() -> Path:
    """Return the folder for trainings under way."""
    return Path(os.environ.get("STUDY_STORE") or "checkpoints/studies")


def put_into_page(page: Path, tables: str, command: str) -> None:
    """Bring the tables in a study's page up to date, if it has one with a place for them."""
    if page.is_file() and f"<!-- made by `{command}` -->" in page.read_text(encoding="utf-8"):
        text = report.replace_table(page.read_text(encoding="utf-8"), tables, command)
        with replacing(page) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_stage("study", main)
