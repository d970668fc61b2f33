"""Build the static site: ``python -m app.site [FOLDER]``."""

import argparse
from pathlib import Path

from app.classifier import MODEL
from app.site.build import build, find_files
from digits.errors import run_stage


def main() -> None:
    """Build the site and say how to look at it."""
    parser = argparse.ArgumentParser(
        prog="python -m app.site",
        description="Build the draw-a-digit page as a static site that needs no server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("site"), help="to build")
    parser.add_argument("--model", type=Path, default=MODEL, help="a .tflite of the export stage")
    arguments = parser.parse_args()
    build(arguments.model, arguments.folder)
    megabytes = sum(path.stat().st_size for path in find_files(arguments.folder)) / 1e6
    print(f"{arguments.folder}: {megabytes:.1f} MB, for any web server; to try it here:")
    print(f"    python -m http.server --bind 127.0.0.1 --directory {arguments.folder} 8001")


if __name__ == "__main__":
    run_stage("site", main)
