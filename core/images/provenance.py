"""Our pictures encoded: nothing of the source's metadata in them, and what they are.

The mark is what Regulation (EU) 2024/1689, Article 50(2) asks for of generated and manipulated
pictures: machine-readable, in the terms of IPTC (XMP) and, where it is configured, C2PA.
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
    """How outputs are marked; by default in XMP."""

    enabled: bool = True
    signer: ManifestSigner | None = None

    @classmethod
    def make(cls, *, enabled: bool, certificate: str, key: str, algorithm: str) -> Self:
        """By what is configured.

        Args:
            enabled: whether outputs are marked at all.
            certificate, key: paths for C2PA; empty without it.
            algorithm: see `ManifestSigner`.

        Raises:
            RuntimeError: the certificate or the key cannot be used.
        """
        if bool(certificate) != bool(key):
            raise RuntimeError("Set BARET_C2PA_CERTIFICATE and BARET_C2PA_KEY, or neither.")
        if not (enabled and certificate):
            return cls(enabled)
        return cls(enabled, ManifestSigner(Path(certificate), Path(key), algorithm=algorithm))

    def encode(self, image: Image.Image, form: OutputFormat, *, quality: int, model: str) -> bytes:
        """A picture's bytes, marked.

        Args:
            picture: of any mode; encoded as RGB.
            form: PNG is lossless; WebP and JPEG take `quality`.
            quality: 1–100.
            model: name of the model that made it.
        """
        plain = image.convert("RGB")
        plain.info.clear()  # whatever it was opened with: profiles, comments, positions
        options: dict[str, Any] = {} if form is OutputFormat.PNG else {"quality": quality}
        if self.enabled:
            options |= _with_xmp(form, xmp_packet(model))
        file = io.BytesIO()
        plain.save(file, form.value.upper(), **options)
        if self.signer is None:
            return file.getvalue()
        return self.signer.sign(file.getvalue(), form.content_type, model)


def _with_xmp(form: OutputFormat, packet: str) -> dict[str, Any]:
    """Pillow's options for a packet; for PNG it has none."""
    if form is not OutputFormat.PNG:
        return {"xmp": packet.encode()}
    chunks = PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", packet)  # XMP specification, part 3, 1.1.5
    return {"pnginfo": chunks}


def xmp_packet(model: str) -> str:
    """What a picture says of itself in XMP. Without a time: same request, same bytes."""
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
