"""Passwords in addresses: kept out of what is shown, recorded and sent."""

import re

SECRETS = (
    # User and password: up to the last @ of the word, for a password may hold / and @. A path with an @ goes too.
    (re.compile(r"(\w://)(?!/)\S*@"), r"\1***@"),
    (re.compile(r"([?&;](?:[\w-]*(?:password|passwd|pwd|token|secret|key))=)[^&;\s'\"]+", re.IGNORECASE), r"\1***"),
)


def without_secrets(text: str) -> str:
    """As it may be shown, recorded and sent: no passwords of a tracking server or its database."""
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text
