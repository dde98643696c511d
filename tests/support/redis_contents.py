"""All that a Redis holds, as text: every key and value, the log of slow commands, functions."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


def contents(client: Any) -> dict[str, str]:
    """Return every key with its value, escapes undone and base64 decoded next to it.

    Args:
        client: of the Redis; it decodes responses.
    """
    found = {key: _readable(_value(client, key)) for key in client.scan_iter(count=1000)}
    found["(slow commands)"] = _readable(str(client.slowlog_get(1000)))
    found["(functions)"] = str(client.function_list())
    return found


def _value(client: Any, key: str) -> str:
    match client.type(key):
        case "string":
            value = client.get(key)
        case "hash":
            value = client.hgetall(key)
        case "list":
            value = client.lrange(key, 0, -1)
        case "set":
            value = sorted(client.smembers(key))
        case "zset":
            value = client.zrange(key, 0, -1, withscores=True)
        case "stream":
            value = client.xrange(key)
        case "none":  # it has just expired
            value = ""
    return json.dumps(value, ensure_ascii=False)


def _readable(text: str) -> str:
    """Return a text, its JSON escapes undone once and twice, and what its base64 says."""
    plain = text.replace("\\\\", "\\")
    unescaped = re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), plain)
    joined = unescaped.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "\n".join((text, joined, *_decoded(text)))


def _decoded(text: str) -> Iterator[str]:
    for found in _BASE64.findall(text):
        try:
            yield base64.b64decode(found).decode(errors="replace")
        except binascii.Error:
            continue
