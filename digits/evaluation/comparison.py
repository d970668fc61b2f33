"""Architectures side by side, as data."""

from typing import Any

import pandas as pd

from digits import config


def describe(name: str, metrics: dict[str, Any], published: config.Published) -> dict[str, Any]:
    """Return an architecture's figures with those its source published, and ours minus theirs."""
    claims = published.model_dump(exclude_none=True)
    return {
        "name": name,
        **metrics,
        "published": claims,
        "difference": {
            kind: round(metrics["accuracy"][kind] - claim, 6) for kind, claim in claims.items()
        },
    }


def best(architectures: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the name, dev and test accuracy of the one with the best dev accuracy, then loss."""
    chosen = max(architectures, key=lambda one: (one["accuracy"]["dev"], -one["loss"]["dev"]))
    accuracy = chosen["accuracy"]
    return {"name": chosen["name"], "dev": accuracy["dev"], "test": accuracy["test"]}


def join_curves(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the curves of all architectures into one long table, a row per epoch and set."""
    parts = [
        table[["epoch", "phase", f"{prefix}cross_entropy", f"{prefix}accuracy"]]
        .set_axis(["epoch", "phase", "cross_entropy", "accuracy"], axis=1)
        .assign(architecture=name, set=kind)
        for name, table in curves.items()
        for kind, prefix in (("train", ""), ("dev", "dev_"))
    ]
    return pd.concat(parts)[["architecture", "epoch", "phase", "set", "cross_entropy", "accuracy"]]
