"""The operations of the API, for tests that call each one."""

from tests.support.problems import UNKNOWN_EDIT

# Method and path of each operation that requires a key.
KEYED_OPERATIONS = [
    ("POST", "/v1/edits"),
    ("GET", "/v1/edits"),
    ("GET", "/v1/edits?limit=0"),
    ("GET", f"/v1/edits/{UNKNOWN_EDIT}"),
    ("POST", f"/v1/edits/{UNKNOWN_EDIT}/cancel"),
    ("DELETE", f"/v1/edits/{UNKNOWN_EDIT}"),
    ("GET", f"/v1/edits/{UNKNOWN_EDIT}/events"),
    ("GET", f"/v1/edits/{UNKNOWN_EDIT}/image"),
    ("GET", f"/v1/edits/{UNKNOWN_EDIT}/deliveries"),
    ("POST", f"/v1/edits/{UNKNOWN_EDIT}/deliveries/msg_x/replay"),
    ("GET", "/v1/webhooks/secret"),
    ("POST", "/v1/webhooks/secret/rotate"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/uploads"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/zoo"),
    ("GET", "/v1/status"),
]
