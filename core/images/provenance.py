"""Encoding of outputs: without the source's metadata, marked as made by a model.

Regulation (EU) 2024/1689, Article 50(2) requires the mark for generated and manipulated images. It
is machine-readable, in the terms of IPTC (XMP) and, if configured, C2PA.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from xml.sax.saxutils import quoteattr

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.images.c2pa import SOFTWARE, SOURCE_TYPE, VERSION, ManifestSigner
from core.schema import OutputFormat


@dataclass(frozen=True)
class Marking:
    """How outputs are marked. The default is XMP."""

    enabled: bool = True
    signer: ManifestSigner | None = None

    @classmethod
    def make(cls, *, enabled: bool, certificate: str, key: str, algorithm: str) -> Self:
        """Create the marking from settings.

        Args:
            enabled: whether to mark outputs at all.
            certificate, key: paths for C2PA; empty for none.
            algorithm: see `ManifestSigner`.

        Raises:
            RuntimeError: the certificate or the key cannot be used.
        """
        if bool(certificate) != bool(key):
            raise RuntimeError("Set both BARET_C2PA_CERTIFICATE and BARET_C2PA_KEY, or neither.")
        if not (enabled and certificate):
            return cls(enabled)
        return cls(enabled, ManifestSigner(Path(certificate), Path(key), algorithm=algorithm))

    def encode(self, image: Image.Image, form: OutputFormat, *, quality: int, model: str) -> bytes:
        """Encode and mark an image.

        Args:
            image: of any mode; encoded as RGB.
            form: PNG is lossless; WebP and JPEG use `quality`.
            quality: 1–100.
            model: name of the model that made the image.
        """
        plain = image.convert("RGB")
        plain.info.clear()  # what it was opened with: profiles, comments, positions
        options: dict[str, Any] = {} if form is OutputFormat.PNG else {"quality": quality}
        if self.enabled:
            options |= _with_xmp(form, xmp_packet(model))
        file = io.BytesIO()
        plain.save(file, form.value.upper(), **options)
        return self.sign(file.getvalue(), form, model)

    def sign(self, data: bytes, form: OutputFormat, model: str) -> bytes:
        """Add a manifest to an encoded image, if there is a signer."""
        return data if self.signer is None else self.signer.sign(data, form.content_type, model)


def _with_xmp(form: OutputFormat, packet: str) -> dict[str, Any]:
    """Return Pillow's options to write a packet. For PNG, the chunk is built here."""
    if form is not OutputFormat.PNG:
        return {"xmp": packet.encode()}
    chunks = PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", packet)  # XMP specification, part 3, 1.1.5
    return {"pnginfo": chunks}


def xmp_packet(model: str) -> str:
    """Return the XMP packet. It has no timestamp: the same request gives the same bytes."""
    properties = {
        "xmp:CreatorTool": f"{SOFTWARE} {VERSION}",
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE,
        # IPTC Photo Metadata Standard 2025.1
        "Iptc4xmpExt:AISystemUsed": model,
    }
    attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in properties.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {attributes}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
