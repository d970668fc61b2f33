"""Which of MNIST's labels people did not confirm."""

# Test images whose label fewer than three of five people confirmed: Northcutt, C. G., Athalye, A.,
# and Mueller, J. (2021), Pervasive label errors in test sets destabilize machine learning
# benchmarks; numbers of MNIST's testing images, from https://github.com/cleanlab/label-errors.
# Only the hundred or so that confident learning had named there were shown to people.
LABEL_ERRORS = (
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729,
)  # fmt: skip
