"""Measure a trained network on every set of images: ``python -m stages.evaluate NAME``.

Reads data/predictions/NAME.npz, data/split.csv and, for the pictures of errors, data/standardized/.
Writes metrics/NAME.json, confusion.png and errors.png in plots/evaluate/NAME/, and the network's
layers, plots/networks/NAME.png.
"""

from pathlib import Path

from digits import config
from digits.data import dataset
from digits.errors import command_line, run_stage
from digits.evaluation import figures, metrics, network_diagram, predictions
from digits.io import write_json

# What fits a terminal in `dvc metrics show`; the compare stage writes all that is measured.
SHOWN = ("train", "dev", "test", "test_as_published", "test_loss", "bias", "variance")


def main() -> None:
    """Measure the network named on the command line."""
    parser = command_line("stages.evaluate", __doc__, name="an architecture of params.yaml")
    name = parser.parse_args().name
    settings = config.load()
    config.architecture(settings, name)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    path = Path(f"data/predictions/{name}.npz")
    predicted = predictions.read(path, len(data.labels), data.rows)
    probabilities = predicted.probabilities
    bayes_error = settings.datasets[settings.dataset].bayes_error
    measured = metrics.measure(data.labels, probabilities, data.rows, bayes_error)

    test = data.rows["test"]
    labels, on_test = data.labels[test], probabilities[test]
    predicts = on_test.argmax(axis=1)
    wrong = f"{(predicts != labels).sum():,} of {len(test):,} test images"
    confusion = figures.confusion(labels, predicts, f"{name} misclassifies {wrong}")
    worst = metrics.worst_errors(labels, on_test, settings.evaluate.errors_shown)
    pictures = data.images[test[worst]] * data.std + data.mean
    errors = figures.misclassified(pictures, labels[worst], on_test[worst], test[worst], name)

    figures.save(Path(f"plots/evaluate/{name}/confusion.png"), confusion)
    figures.save(Path(f"plots/evaluate/{name}/errors.png"), errors)
    diagram = network_diagram.draw(name, predicted.parameters, predicted.steps)
    figures.save(Path(f"plots/networks/{name}.png"), diagram)
    write_json(Path(f"metrics/{name}.json"), {key: measured[key] for key in SHOWN})
    print(
        "{name}: train {train:.2%}, dev {dev:.2%}, test {test:.2%} (95 % interval {test_low:.2%} "
        "to {test_high:.2%}), bias {bias:+.2%}, variance {variance:+.2%}".format(
            name=name, **measured
        )
    )


if __name__ == "__main__":
    run_stage("evaluate", main)
