import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from digits.config import Versions
from digits.errors import PipelineError
from digits.training import identity
from tests.digits.training.conftest import recipe


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of digits/ that identities are of."""
    shutil.copytree(identity.DIGITS, tmp_path / "digits")
    monkeypatch.setattr(identity, "DIGITS", tmp_path / "digits")
    return tmp_path / "digits"


def add_to(path: Path) -> None:
    path.write_text(path.read_text() + "MORE = 1\n")


def identify(seed: int = 42, threads: int = 2, data: str = "d", **changes: object) -> str:
    return identity.identify(recipe(**changes), data, seed, threads)


def test_prose_and_layout_change_no_identity_and_a_constant_does(copied: Path) -> None:
    before = identify()
    for path in (copied / "training").glob("*.py"):
        text = re.sub(r'^( +""")(\w)', r"\1Not \2", path.read_text(), flags=re.M)
        text = text.replace("  # ", "  # not ").replace(",\n", ",\n\n")
        path.write_text('"""Other\n\nwords."""\n# Of this module.\n\n' + text.split('"""\n', 1)[1])
    assert identify() == before
    module = copied / "training/augmentation.py"
    module.write_text(module.read_text().replace("FAINTEST = 0.3", "FAINTEST = 0.4"))
    assert identify() != before


def test_only_the_code_that_computes_counts(copied: Path) -> None:
    before, pretrained = identify(), identify(pretrained="letters")
    add_to(copied / "networks/lenet5.py")
    add_to(copied / "transfer/letters.py")
    assert identify() == before
    assert identify(pretrained="letters") != pretrained
    add_to(copied / "networks/dense.py")
    assert identify() != before


def test_identity_changes_with_all_that_decides_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identify() == identify()
    found = [identify(), identify(epochs=2), identify(letters={"images": 100}), identify(data="e")]
    found += [identify(seed=43), identify(threads=3)]
    found.append(identity.identify(recipe(), "d", 42, 2, 0.001))
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    found.append(identify())
    monkeypatch.setattr(identity, "version", {"keras": "3", "numpy": "2", "tensorflow": "2.9"}.get)
    found.append(identify())
    assert len(set(found)) == len(found)


def test_a_digest_is_the_same_in_every_version_of_python(tmp_path: Path) -> None:
    """`ast.dump` leaves out other fields in each; 3.12 gave functions and classes one more."""
    module = tmp_path / "module.py"
    module.write_text(
        'class A(B, c=1):\n    """Prose."""\n    x: int | None = None\n\n'
        "    async def f(self, *a, k=-1.5e-3, **b) -> str:\n"
        "        return f'{self.x:>4} {a!r}' if b else [*a, {1: ...}, lambda y: y @ 2]\n"
    )
    assert identity.digest(module).startswith("f98d8968217c2de3")
    module.write_text("")
    assert identity.digest(module)


def test_other_versions_and_other_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {name: version(name) for name in Versions.model_fields}
    identity.check_versions(Versions(**installed))
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    with pytest.raises(PipelineError, match="other kernels round differently; unset it"):
        identity.check_versions(Versions(**installed))
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    with pytest.raises(PipelineError) as refusal:
        identity.check_versions(Versions(**{**installed, "keras": "3.0.0"}))
    assert str(refusal.value) == (
        f"keras {installed['keras']} is installed, versions.keras in params.yaml is 3.0.0: other "
        "versions round differently; install requirements.lock or set versions.keras"
    )
