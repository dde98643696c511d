"""What Schemathesis must be told to send: a body of JSON lines is text already."""

import schemathesis

from api.submission.batch_request import JSON_LINES


@schemathesis.serializer(*JSON_LINES)
def json_lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Return the text's bytes."""
    return str(value).encode()
