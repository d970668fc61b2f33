"""What the tests of the app and of studies have."""

from tests.app.conftest import browser, model, page, server  # noqa: F401
from tests.studies.conftest import images as optdigits  # noqa: F401
