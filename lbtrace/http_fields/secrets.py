"""A field name → whether its value is a credential or a session, which must not be shown or taken
for the id of a request.

The registry decides for the names it knows. An unknown name is secret when one of its words is: the
words of `X-Acme-Auth-Token` are x, acme, auth and token. So a value that may be a secret is hidden
rather than shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lbtrace.http_fields import Meaning, field

_WORDS: Final = frozenset(
    {
        *("token", "secret", "key", "apikey", "auth", "authorization", "authentication"),
        *("password", "session", "credential", "signature", "cookie", "jwt", "bearer"),
        *("passwd", "passphrase", "pwd", "otp", "csrf", "xsrf", "hmac"),
    }
)
_BETWEEN_WORDS: Final = re.compile(r"[-_]")
_ANY_WORD: Final = re.compile("|".join(sorted(_WORDS)), re.IGNORECASE)


def may_be_secret(name: str) -> bool:
    """Whether a name that the registry does not know holds one of the words anywhere: a look that
    is cheap. Without one the name is not secret, wherever it is split.
    """
    return _ANY_WORD.search(name) is not None


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether the value of a field is secret, by its name in any letter case."""
    name = name.lower()
    row = field(name)
    if row is not None:
        return Meaning.SECRET in row.meaning
    return not _WORDS.isdisjoint(_BETWEEN_WORDS.split(name))
