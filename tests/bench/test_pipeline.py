from pathlib import Path

import pytest

from bench import measuring, pipeline
from digits.errors import PipelineError


def test_what_git_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "ROOT", tmp_path / "nothing")
    with pytest.raises(PipelineError, match=r"git clone .* does not exist"):
        pipeline.clone(tmp_path / "clone")
