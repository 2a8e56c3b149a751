"""Between the bytes of the API and the models: exact in money and time, tolerant of everything harmless.

    body ── read_envelope ──> Envelope ── decode ──> models          bytes <── encode ── request models
      └───────────────── decode_body ─────────────────┘

Numbers may arrive as texts and texts as numbers; null, and an empty text where a number, a time or a status belongs,
are None; "NULL" is no status. Unknown statuses and unknown fields are kept. What cannot mean what the field says
(3.7 pieces, a price of true, a time without its zone) is a `DecodeError` with its path.
"""

from kakaclo_async.codec.converter import converter as converter, encode as encode
from kakaclo_async.codec.embedded import is_damaged as is_damaged
from kakaclo_async.codec.envelope import (
    Envelope as Envelope,
    decode as decode,
    decode_body as decode_body,
    read_envelope as read_envelope,
)
from kakaclo_async.codec.outgoing import to_json as to_json
from kakaclo_async.codec.scalars import (
    DAMAGED as DAMAGED,
    OrderNumber as OrderNumber,
    RefundNumber as RefundNumber,
    Undecodable as Undecodable,
    to_millis as to_millis,
    to_wire_time as to_wire_time,
)
