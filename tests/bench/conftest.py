"""What the tests of the app have, for those of its measurements."""

from tests.app.conftest import browser, model, network, page, server  # noqa: F401
