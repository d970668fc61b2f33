"""Keeping a training's state after every epoch, so that it goes on where it was stopped."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from digits.io import replacing

Arrays = dict[str, npt.NDArray[np.generic]]


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the whole state into one ``.npz`` file after every epoch, and reads it back.

    The state: all variables of model and optimizer, the curves, and the best weights that an
    `keras.callbacks.EarlyStopping` holds. What the watchers, which act on the dev loss, remember is
    not stored: on resuming they are shown their phase's epochs again. Must be the last callback.

    ``rows`` are the curves so far, one dictionary an epoch, each with its phase; ``phase`` is the
    one under way, from 1, and ``finished`` says whether it has come to its end.
    """

    def __init__(self, path: Path, identity: str) -> None:
        """Read the state at ``path``, unless it is of another ``identity``, damaged or missing."""
        super().__init__()
        self.path = path
        self.identity = identity
        self.watchers: list[keras.callbacks.Callback] = []
        self.rows: list[dict[str, float]] = []
        self.finished = False
        self._arrays: Arrays = {}
        self._read()
        self.phase = int(self.rows[-1]["phase"]) if self.rows else 1

    @property
    def rows_of_phase(self) -> list[dict[str, float]]:
        """The curves of this phase so far."""
        return [row for row in self.rows if row["phase"] == self.phase]

    def begin(self, phase: int, watchers: list[keras.callbacks.Callback]) -> None:
        """Get ready for a phase, or for going on with it."""
        if phase != self.phase:
            self.finished, self._arrays = False, {}
        self.phase, self.watchers = phase, watchers

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Bring model, optimizer and watchers to where they were."""
        for row in self.rows_of_phase:
            for watcher in self.watchers:
                watcher.on_epoch_end(int(row["epoch"]) - 1, {"val_loss": row["dev_loss"]})
        for watcher in self._keepers_of_best():
            watcher.best_weights = self._best() or None
        if self._arrays:
            self._assign_variables()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the state."""
        self.finished = self.model.stop_training or epoch + 1 == self.params["epochs"]
        arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        for watcher in self._keepers_of_best():
            arrays |= {f"best_{i}": w for i, w in enumerate(watcher.best_weights or [])}
        state = {"identity": self.identity, "rows": self.rows, "finished": self.finished}
        with replacing(self.path) as temporary:
            np.savez(temporary, state=np.array(json.dumps(state)), **arrays)  # type: ignore[arg-type]

    def finish(self, model: keras.Model) -> None:
        """Give ``model`` the final weights of a phase that had already come to its end."""
        self.set_model(model)
        self._assign_variables()
        model.optimizer.finalize_variable_values(model.trainable_variables)  # use_ema's, if so
        if best := self._best():
            model.set_weights(best)

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                state = json.loads(str(content["state"]))
                arrays = {name: content[name] for name in content.files if name != "state"}
        except (FileNotFoundError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
        if state["identity"] == self.identity:
            self.rows, self.finished, self._arrays = state["rows"], state["finished"], arrays

    def _assign_variables(self) -> None:
        for index, variable in enumerate(self._variables()):
            variable.assign(self._arrays[f"variable_{index}"])

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _keepers_of_best(self) -> list[keras.callbacks.EarlyStopping]:
        return [w for w in self.watchers if isinstance(w, keras.callbacks.EarlyStopping)]

    def _best(self) -> list[npt.NDArray[np.generic]]:
        count = sum(name.startswith("best_") for name in self._arrays)
        return [self._arrays[f"best_{i}"] for i in range(count)]
