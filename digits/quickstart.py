"""Try the whole pipeline in minutes, in a folder of its own: python -m digits.quickstart.

Checks the last commit out into quickstart/, a git worktree, makes the changes of quickstart.yaml to
its params.yaml, runs all stages there, independent ones side by side, and saves the outcome as the
experiment ``quickstart``. What is cached is not run again. Your own files stay as they are.
"""

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from ruamel.yaml import YAML

from digits import config
from digits.commands import git, run
from digits.errors import PipelineError, command_line, run_stage
from digits.evaluation import report

NAME = "quickstart"
SETTINGS = Path("quickstart.yaml")


def main() -> None:
    """Make the folder, run everything, show the comparison."""
    command_line("digits.quickstart", __doc__).parse_args()
    config.load()  # refuses another folder than the top one
    try:
        with Repo() as repo:
            cache = repo.cache.local_cache_dir
    except DvcException as error:  # a ZIP of the project is no repository
        raise PipelineError(f"run this in the top folder of a `git clone`: {error}") from None
    folder = check_out(Path(NAME))
    yaml, path = YAML(), folder / config.PATH
    changes = config.read_yaml(SETTINGS)
    yaml.dump(config.override(yaml.load(path), changes, str(SETTINGS)), path)
    (folder / ".dvc/config.local").write_text(f"[cache]\ndir = {cache}\n", encoding="utf-8")
    run(folder, "dvc", "checkout", "--quiet", "--force", "--allow-missing")
    run(folder, "digits.repro")
    run(folder, "dvc", "exp", "save", "--quiet", "--force", "--name", NAME)
    print(f"\n{report.markdown(*report.read(folder / report.COMPARED))}\n")
    print(
        f"Look at {folder}/plots/ and {folder}/metrics/. Then compare a setting, here without L2:\n"
        f"    cd {folder}\n"
        "    dvc exp run --name no-l2 --set-param architectures.lenet5_v2.l2=0\n"
        f"    dvc metrics diff {NAME} no-l2"
    )


def check_out(worktree: Path) -> Path:
    """Bring the last commit into a worktree; return this project's folder in it."""
    prefix = git("rev-parse", "--show-prefix")
    if changed := git("status", "--porcelain", "--untracked-files=no", "."):
        print(f"of the last commit, without your changes:\n{changed}", flush=True)
    commit, there = git("rev-parse", "HEAD"), ("-C", str(worktree))
    if not (worktree / ".git").exists():
        git("worktree", "add", "--force", "--detach", str(worktree))
    elif git(*there, "rev-parse", "HEAD") != commit:
        git(*there, "checkout", "--force", "--detach", commit)
    git(*there, "checkout", commit, "--", f"{prefix}{config.PATH}")
    return worktree / prefix


if __name__ == "__main__":
    run_stage(NAME, main)
