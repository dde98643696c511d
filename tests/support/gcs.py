"""A stand-in for Google Cloud Storage: rclone, which answers its requests to objects as S3's.

It checks no signatures; `is_signed_by` checks those of URLs as Google documents them. Tokens are
signed with the account's key, without a request to anyone.
"""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.ports import free_port
from tests.support.server import Server

BUCKET = "pictures"
ACCOUNT = "baret@photos.iam.gserviceaccount.com"
HOST = "storage.googleapis.com"  # for which URLs are signed, wherever the stand-in listens


class GCS(Server):
    """A server with a bucket, and a service account that may use it."""

    def __init__(self, disk: Path):
        (disk / BUCKET).mkdir(parents=True)
        self._at = ("127.0.0.1", free_port())
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        authority = "{}:{}".format(*self._at)
        account = {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "gcs_base_url": f"http://{authority}",
        }
        file = disk / "account.json"
        file.write_text(json.dumps(account))
        self.settings = {
            "BARET_STORE_URL": f"gs://{BUCKET}/baret",
            "GOOGLE_SERVICE_ACCOUNT": str(file),
        }
        rclone = Path(sys.executable).with_name("rclone")
        command = [rclone, "serve", "s3", "--addr", authority, "--quiet", disk]
        env = {**os.environ, "RCLONE_CONFIG": os.devnull}
        super().__init__(command, self._listens, env=env)

    def _listens(self) -> bool:
        with closing(socket.socket()) as client:
            return client.connect_ex(self._at) == 0

    def is_signed_by(self, method: str, url: str) -> bool:
        """Return whether the account signed this URL for this method ("V4 signing process")."""
        parts = urlsplit(url)
        query, _, signature = parts.query.rpartition("&X-Goog-Signature=")
        named = {name: value for name, (value,) in parse_qs(query).items()}
        canonical = "\n".join(
            (method, parts.path, query, f"host:{HOST}\n", "host", "UNSIGNED-PAYLOAD")
        )
        account, _, scope = named["X-Goog-Credential"].partition("/")
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((named["X-Goog-Algorithm"], named["X-Goog-Date"], scope, digest))
        try:
            public = self._key.public_key()
            public.verify(
                bytes.fromhex(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        return account == ACCOUNT


@contextmanager
def running_gcs(disk: Path) -> Iterator[GCS]:
    """Run a server inside the block."""
    server = GCS(disk)
    server.start()
    try:
        yield server
    finally:
        server.kill()
