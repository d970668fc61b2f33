import keras
import numpy as np
import pytest

from digits.errors import PipelineError
from digits.evaluation import network_diagram
from digits.evaluation.outline import outline
from digits.evaluation.predictions import Step
from tests.digits.training.conftest import ARCHITECTURES, build


def test_a_chain_is_listed_in_order_with_shapes_and_parameters() -> None:
    steps, blocks = network_diagram.fold(outline(build("lenet5")))
    assert steps == [
        Step("Input", (28, 28, 1), 0, ()),
        Step("ZeroPadding2D", (32, 32, 1), 0, (0,)),
        Step("Conv2D 6, 5x5 + ReLU", (28, 28, 6), 6 * 26, (1,)),
        Step("MaxPooling2D 2x2", (14, 14, 6), 0, (2,)),
        Step("Conv2D 16, 5x5 + ReLU", (10, 10, 16), 16 * 151, (3,)),
        Step("MaxPooling2D 2x2", (5, 5, 16), 0, (4,)),
        Step("Flatten", (400,), 0, (5,)),
        Step("Dense 120 + ReLU", (120,), 120 * 401, (6,)),
        Step("Dense 84 + ReLU", (84,), 84 * 121, (7,)),
        Step("Dense 10, softmax", (10,), 10 * 85, (8,)),
    ]
    assert blocks == []


def test_repeated_blocks_and_shortcuts_of_a_residual_network() -> None:
    steps, blocks = network_diagram.fold(outline(build("resnet34")))
    assert [(length, times) for _, length, times in blocks] == [(3, 3), (3, 3), (3, 5), (3, 2)]
    first, *_ = blocks[0]
    assert steps[first : first + 3] == [
        Step("Conv2D 64, 3x3, same + BatchNormalization + ReLU", (7, 7, 64), 37_120, (first - 1,)),
        Step("Conv2D 64, 3x3, same + BatchNormalization", (7, 7, 64), 37_120, (first,)),
        Step("Add + ReLU", (7, 7, 64), 0, (first + 1, first - 1)),
    ]
    assert steps[first + 6].text == "Conv2D 128, 1x1, stride 2 + BatchNormalization"
    assert steps[first + 7].sources == (first + 5, first + 6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_is_counted(name: str) -> None:
    model = build(name)
    steps, blocks = network_diagram.fold(outline(model))
    times = [1] * len(steps)
    for first, length, count in blocks:
        times[first : first + length] = [count] * length
    counted = sum(one * step.parameters for one, step in zip(times, steps, strict=True))
    assert counted == model.count_params()
    assert (steps[0].text, steps[-1].shape) == ("Input", (10,))


def test_a_layer_that_is_used_twice_is_refused() -> None:
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    model = keras.Model(inputs, keras.layers.Add(name="sum")([shared(shared(inputs)), inputs]))
    with pytest.raises(PipelineError, match="sum needs a layer's second output; expected that"):
        outline(model)


def test_an_activation_that_others_pass_by_keeps_its_line() -> None:
    inputs = keras.Input((4,))
    features = keras.layers.Dense(4)(inputs)
    both = keras.layers.Concatenate()([features, keras.layers.ReLU()(features)])
    assert [(step.text, step.sources) for step in outline(keras.Model(inputs, both))] == [
        ("Input", ()),
        ("Dense 4", (0,)),
        ("ReLU", (1,)),
        ("Concatenate", (1, 2)),
    ]


def test_equal_steps_in_a_row_are_one_block() -> None:
    features = inputs = keras.Input((4,))
    for _ in range(3):
        features = keras.layers.Dense(4)(features)
    steps, blocks = network_diagram.fold(outline(keras.Model(inputs, features)))
    assert [step.text for step in steps] == ["Input", "Dense 4"]
    assert blocks == [(1, 1, 3)]


def test_picture_shows_every_text_and_connection_of_a_residual_network() -> None:
    model = build("resnet34")
    figure = network_diagram.draw("resnet34", model.count_params(), outline(model))
    [axes] = figure.axes
    assert {
        "resnet34: 21,831,498 parameters",
        "Conv2D 64, 7x7, stride 2 + BatchNormalization + ReLU",
        "14 x 14 x 64",
        "3,392",
        "Dropout 25%",
        "5 times",
    } <= {text.get_text() for text in axes.texts}
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for text in axes.texts:
        box = text.get_window_extent()
        assert (box.x0 >= 0, box.x1 <= width, box.y0 >= 0, box.y1 <= height) == (True,) * 4
    arcs = {}
    for line in axes.lines:
        if line.get_color() == "grey":
            xs, ys = np.asarray(line.get_data())
            arcs[round(ys[0]), round(ys[-1])] = xs.min() < xs[0] - 0.1
    steps, _ = network_diagram.fold(outline(model))
    assert arcs == {(s, n): n - s > 1 for n, step in enumerate(steps) for s in step.sources}
    assert 150 * figure.get_figwidth() < 1400  # pixels of the file
