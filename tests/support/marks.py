"""Reading what a picture states about itself, with third-party parsers."""

import io
import json
from typing import Any
from xml.etree import ElementTree

import c2pa
from PIL import Image

# IPTC's NewsCode, and the namespaces of the XMP and IPTC specifications.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def xmp_of(data: bytes) -> dict[str, str]:
    """Return a picture's XMP properties; empty if it has no XMP."""
    packet = Image.open(io.BytesIO(data)).info.get("xmp")
    if packet is None:
        return {}
    text = packet.decode()
    xml = text[text.index("<x:xmpmeta") : text.rindex("<?xpacket")]
    (described,) = ElementTree.fromstring(xml).iter(f"{RDF}Description")  # noqa: S314 - our own
    return dict(described.attrib)


def assert_marked(data: bytes, model: str = "zoo") -> None:
    """Fail unless the picture states its AI source, the model and BARET."""
    properties = xmp_of(data)
    assert properties[f"{IPTC}DigitalSourceType"] == SOURCE_TYPE
    assert properties[f"{IPTC}AISystemUsed"] == model
    assert properties[f"{XMP}CreatorTool"].startswith("BARET 0.")


def manifest_of(data: bytes, content_type: str) -> tuple[str, dict[str, Any]]:
    """Return (state, manifest) from C2PA's own library; "Valid" means signed and unbroken."""
    with c2pa.Reader(content_type, io.BytesIO(data)) as reader:
        told = json.loads(reader.json())
        return str(reader.get_validation_state()), told["manifests"][told["active_manifest"]]
