"""What holds for all tests: the hypothesis profiles."""

from tests import laws

laws.register()
