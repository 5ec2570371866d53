"""One kind of error for every mistake of a user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from components.core.errors import KnockoutError, redact
from reports.errors import ReportError
from study.cli.options import TRACKING


@contextmanager
def mistakes(*uris: str | None) -> Iterator[None]:
    """Raise every mistake of a user as a :class:`KnockoutError`, without the passwords of the URLs in use."""
    try:
        yield
    except (KnockoutError, ReportError) as error:
        secrets = [uri for uri in (*uris, os.environ.get(TRACKING)) if uri]
        kind = type(error) if isinstance(error, KnockoutError) else KnockoutError
        raise kind(redact(error.message, *secrets), where=redact(error.where, *secrets)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise KnockoutError(f"{error.strerror or error}.", where=str(error.filename)) from None
