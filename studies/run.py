"""Run a study: python -m studies.run NAME.

Reads studies/NAME/study.yaml, params.yaml and data/png/. Writes in studies/NAME/ runs.csv (a row
for each training), summary.json and, of a study whose settings have a base, gaps.png, of one with
several numbers of images, sizes.png; and brings the tables in docs/NAME.md, if there is such a
page, up to date.

What runs.csv has is not trained again, as long as nothing that determines it has changed. A
training under way keeps its state in checkpoints/studies/, or where STUDY_STORE says; a study that
was stopped goes on from there. With the package ray, trainings run side by side on this machine, or
on the cluster that RAY_ADDRESS names (docs/cluster.md).
"""

import argparse
from pathlib import Path

import pandas as pd

from digits import config
from digits.errors import PipelineError, run_stage
from digits.evaluation import figures
from digits.io import write_csv, write_json
from digits.training import determinism
from studies import engine, jobs, pictures, study, summary, workspace
from studies.workspace import STUDIES


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
        raise PipelineError(
            f"studies/ has no {name} with a study.yaml; it has {', '.join(_known())}"
        )
    images = workspace.read_images()
    chosen = study.read(folder / "study.yaml")
    determinism.pin(0, chosen.threads)  # before the check, which builds every network
    configured = study.expand(chosen, folder / "study.yaml", images)
    table = train(configured, images, folder / "runs.csv")
    described = summary.describe(table, configured.study)
    write_json(folder / "summary.json", described)
    written = ["runs.csv", "summary.json"]
    if described["differences"]:
        figures.save(folder / "gaps.png", pictures.gaps(described))
        written.append("gaps.png")
    if len(configured.study.images) > 1:
        figures.save(folder / "sizes.png", pictures.sizes(described))
        written.append("sizes.png")
    tables = summary.markdown(described)
    page = Path(f"docs/{name}.md")
    if page.is_file():
        workspace.put_into_page(page, tables, f"dvc repro {folder}/dvc.yaml")
    print(f"{tables}\n\n{folder}: {len(table)} trainings; wrote {', '.join(written)}")


def _known() -> list[str]:
    """Return the studies that can be run; others have a program of their own."""
    paths = sorted(STUDIES.glob("*/study.yaml"))
    return [path.parent.name for path in paths if "settings" in (config.read_yaml(path) or ())]


def train(configured: study.Configured, images: jobs.Images, path: Path) -> pd.DataFrame:
    """Run what the table at ``path`` does not have, keeping it up to date; return all rows.

    Raises:
        PipelineError: trainings failed; the table has the others.
    """
    trials = {jobs.identify(trial, images): trial for trial in configured.trials}
    results = summary.read_results(path, trials)
    if known := len(results):
        print(f"{known} of {len(trials)} trainings are in {path} already", flush=True)
    if path.exists() and (others := len(summary.read_table(path)) - known):
        print(f"rows of {path} of other settings or other code, which go: {others}", flush=True)
    by_seed = sorted(trials, key=lambda identity: trials[identity].seed)  # a picture of all, early
    missing = {identity: trials[identity] for identity in by_seed if identity not in results}
    for identity, result in engine.run(missing, images, workspace.store()):
        results[identity] = result
        write_csv(path, summary.tabulate(trials, results, configured.bayes_error))
    table = summary.tabulate(trials, results, configured.bayes_error)
    write_csv(path, table)
    return table


if __name__ == "__main__":
    run_stage("study", main)
