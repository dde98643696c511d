"""C2PA manifests: signed statements of origin inside an image, if a certificate is configured.

The package is an optional extra (`baret[c2pa]`), so it is imported only when needed.
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
    """Adds manifests to images. Safe to share between threads."""

    def __init__(self, certificate: Path, key: Path, *, algorithm: str):
        """Load and try the signer's credentials.

        Args:
            certificate: PEM; the signer's own first, then its chain.
            key: PEM, PKCS #8, without a passphrase.
            algorithm: "es256", "es384", "es512", "ps256", "ps384", "ps512" or "ed25519".

        Raises:
            RuntimeError: they cannot sign, or the package is missing.
        """
        try:
            self._c2pa: Any = importlib.import_module("c2pa")
        except ImportError as error:
            raise RuntimeError(
                "C2PA manifests are configured, but c2pa-python is not installed. "
                "Run pip install -c constraints.txt -e '.[c2pa]'"
            ) from error
        # A thumbnail would be most of the manifest and add nothing to the image.
        options = {"builder": {"thumbnail": {"enabled": False}}}
        self._context = self._c2pa.Context(self._c2pa.Settings.from_dict(options))
        probe = io.BytesIO()
        Image.new("RGB", (1, 1)).save(probe, "PNG")
        try:
            self._credentials = (algorithm, certificate.read_text(), key.read_text())
            self.sign(probe.getvalue(), "image/png", "")  # most mistakes show only when signing
        except (OSError, ValueError, self._c2pa.C2paError) as error:
            raise RuntimeError(
                "C2PA manifests cannot be signed. Check BARET_C2PA_CERTIFICATE, BARET_C2PA_KEY and "
                f"BARET_C2PA_ALGORITHM: {error}"
            ) from error

    def sign(self, data: bytes, content_type: str, model: str) -> bytes:
        """Return the image with a manifest that names the model that made it."""
        signed = io.BytesIO()
        with (
            self._c2pa.Builder(_manifest(model), self._context) as builder,
            self._signer() as signer,
        ):
            builder.sign(signer, content_type, io.BytesIO(data), signed)
        return signed.getvalue()

    def _signer(self) -> Any:
        algorithm, certificate, key = self._credentials
        # No time stamp authority: it would learn of every image.
        info = self._c2pa.C2paSignerInfo(algorithm, certificate.encode(), key.encode(), None)
        return self._c2pa.Signer.from_info(info)


def _manifest(model: str) -> dict[str, Any]:
    """Return the manifest of an output (C2PA 2.2, "Manifest definition").

    The action is `c2pa.created`, not `c2pa.edited`: the latter would have to carry the photo's own
    manifest, and with it metadata that must not be in an output.
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
