"""Every operation that needs a key once there is one."""

from tests.support.problems import UNKNOWN

KEYED = [
    ("POST", "/v1/edits"),
    ("GET", "/v1/edits"),
    ("GET", "/v1/edits?limit=0"),
    ("GET", f"/v1/edits/{UNKNOWN}"),
    ("POST", f"/v1/edits/{UNKNOWN}/cancel"),
    ("DELETE", f"/v1/edits/{UNKNOWN}"),
    ("GET", f"/v1/edits/{UNKNOWN}/events"),
    ("GET", f"/v1/edits/{UNKNOWN}/image"),
    ("GET", f"/v1/edits/{UNKNOWN}/deliveries"),
    ("POST", f"/v1/edits/{UNKNOWN}/deliveries/msg_x/replay"),
    ("GET", "/v1/webhooks/secret"),
    ("POST", "/v1/webhooks/secret/rotate"),
    ("GET", "/v1/models"),
]
