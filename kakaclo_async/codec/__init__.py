"""Between the bytes of the API and the models: exact in money and time, tolerant of everything harmless.

    body ── read_envelope ──> Envelope ── decode ──> models          bytes <── encode ── request models
      └───────────────── decode_body ─────────────────┘

Numbers may arrive as texts and texts as numbers; null, and an empty text where a number, a time or a status belongs,
are None; "NULL" is no status. Unknown statuses and unknown fields are kept. What cannot mean what the field says
(3.7 pieces, a price of true, a time without its zone) is a `DecodeError` with its path.
"""

from __future__ import annotations

from kakaclo_async.codec.converter import converter
from kakaclo_async.codec.envelope import Envelope, decode, decode_body, read_envelope
from kakaclo_async.codec.outgoing import encode, to_json
from kakaclo_async.codec.records import Unread
from kakaclo_async.codec.scalars import to_millis, to_wire_time

__all__ = [
    "Envelope",
    "Unread",
    "converter",
    "decode",
    "decode_body",
    "encode",
    "read_envelope",
    "to_json",
    "to_millis",
    "to_wire_time",
]
