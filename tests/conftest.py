"""What holds for all tests: the hypothesis profiles, and that Ctrl-C is heard.

A shell without job control lets its background jobs ignore SIGINT. So would every program that a
test starts, and one that waits for Ctrl-C would wait for ever.
"""

import signal

from tests import laws

laws.register()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
