"""The error of a pull that cannot say that it saw every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.errors import KakaCloError

if TYPE_CHECKING:
    from kakaclo_async.models.pull import Certificate


class IncompletePull(KakaCloError):
    """A stream gave all it could, and some ranges may lack rows; it is raised after the last row.

    Attributes:
        certificate: its `gaps` are the ranges to pull again later.
    """

    def __init__(self, message: str, *, certificate: Certificate) -> None:
        super().__init__(message)
        self.certificate = certificate
