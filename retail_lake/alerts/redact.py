"""Secrets taken out of text before it leaves this process.

Belongs here: what counts as a secret in a message. Does not: data of customers, which is kept out by never being put in.
"""

from __future__ import annotations

import os
import re
from typing import Final

HIDDEN: Final = "[hidden]"
_SECRET_NAME: Final = re.compile(
    r"(secret|password|passwd|token|api_?key|access_key|credential|webhook|private_key)", re.IGNORECASE
)
_SHORTEST: Final = 8
"""Shorter values of the environment are words that may mean anything."""
_PATTERNS: Final = (
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), HIDDEN),
    # A presigned address is a key for as long as it holds.
    (
        re.compile(r"([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId|sig)=)[^&\s\"'<>]+", re.I),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@\"']+@", re.I), rf"\1{HIDDEN}@"),
    (re.compile(r"https://hooks\.[^\s\"'<>]+", re.I), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"((?:aws_)?(?:secret(?:_access)?(?:_key)?|session_token|password|passwd|pwd|token|api_?key|access_key(?:_id)?)"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), HIDDEN),
)  # fmt: skip


def redact(text: str) -> str:
    """The text without what looks like a secret, and without the value of any secret of this process's environment."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAME.search(name):
            text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
