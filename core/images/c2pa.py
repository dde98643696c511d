"""Signed statements of origin inside a picture (C2PA), where a certificate is configured.

The package is an extra of its own (`baret[c2pa]`), so it is imported when it is asked for.
"""

import importlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

# https://cv.iptc.org/newscodes/digitalsourcetype/: parts of a photo were made by a trained model.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SOFTWARE, VERSION = "BARET", version("baret")


class ManifestSigner:
    """Adds a manifest to pictures. Safe to share between threads."""

    def __init__(self, certificate: Path, key: Path, *, algorithm: str):
        """Take the signer's credentials.

        Args:
            certificate: PEM, the signer's own first, then the chain above it.
            key: PEM, PKCS #8, without a passphrase.
            algorithm: "es256", "es384", "es512", "ps256", "ps384", "ps512" or "ed25519".

        Raises:
            RuntimeError: they cannot sign, or the package is missing; the message says which.
        """
        try:
            self._c2pa: Any = importlib.import_module("c2pa")
        except ImportError as error:
            raise RuntimeError(
                "C2PA manifests are configured, and c2pa-python is missing: "
                "pip install -c constraints.txt -e '.[c2pa]'"
            ) from error
        # A thumbnail would be most of the manifest and say nothing that the picture does not.
        options = {"builder": {"thumbnail": {"enabled": False}}}
        self._context = self._c2pa.Context(self._c2pa.Settings.from_dict(options))
        probe = io.BytesIO()
        Image.new("RGB", (1, 1)).save(probe, "PNG")
        try:
            self._credentials = (algorithm, certificate.read_text(), key.read_text())
            self.sign(probe.getvalue(), "image/png", "")  # most mistakes are told only here
        except (OSError, ValueError, self._c2pa.C2paError) as error:
            raise RuntimeError(
                "The certificate and key for C2PA manifests cannot sign "
                f"(BARET_C2PA_CERTIFICATE, BARET_C2PA_KEY, BARET_C2PA_ALGORITHM): {error}"
            ) from error

    def sign(self, data: bytes, content_type: str, model: str) -> bytes:
        """The picture with a manifest, which says that a model of this name made it."""
        signed = io.BytesIO()
        with (
            self._c2pa.Builder(_statement(model), self._context) as builder,
            self._signer() as signer,
        ):
            builder.sign(signer, content_type, io.BytesIO(data), signed)
        return signed.getvalue()

    def _signer(self) -> Any:
        algorithm, certificate, key = self._credentials
        # No time stamp authority: it would be told of every picture.
        info = self._c2pa.C2paSignerInfo(algorithm, certificate.encode(), key.encode(), None)
        return self._c2pa.Signer.from_info(info)


def _statement(model: str) -> dict[str, Any]:
    """What a picture says of itself (C2PA 2.2, "Manifest definition").

    `c2pa.created`, and not `c2pa.edited` of the photo: that would have to carry the photo's own
    manifest, and with it the metadata that are not to be in an output.
    """
    software = {"name": SOFTWARE, "version": VERSION}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": software,
        "parameters": {"model": model},
    }
    return {
        "claim_generator_info": [software],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
