"""Requests for an edit in OpenAI's shape, byte for byte as programs send them.

The boundary of each form is the program's own; `PHOTO` stands for the photo's bytes.
"""

from typing import NamedTuple

PHOTO = b"PHOTO"


class SentRequest(NamedTuple):
    """A request as it left a program."""

    program: str
    source: str  # how it was obtained
    content_type: str
    body: bytes
    images: int  # that it asks for


# The fields and their order are those of `image_edits` in open-webui's routers/images.py, at commit
# 02530d5; aiohttp 3.14.5 wrote the form.
OPEN_WEBUI = SentRequest(
    "Open WebUI",
    "open-webui 02530d5, backend/open_webui/routers/images.py; aiohttp 3.14.5",
    "multipart/form-data; boundary=cd767a43e4b44bb7bae0f1ea0ecde6f1",
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="model"\r\n\r\nzoo\r\n'
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="prompt"\r\n\r\na cat that sits\r\n'
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="n"\r\n\r\n1\r\n'
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="response_format"\r\n\r\nb64_json\r\n'
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1\r\n"
    b"Content-Type: image/png\r\n"
    b'Content-Disposition: form-data; name="image"; filename="7c9e6679.png"\r\n\r\nPHOTO\r\n'
    b"--cd767a43e4b44bb7bae0f1ea0ecde6f1--\r\n",
    1,
)

# Recorded from `litellm.image_edit(model="openai/zoo", image=[…], prompt=…, n=2)`, which its proxy
# calls for `/v1/images/edits`.
LITELLM = SentRequest(
    "LiteLLM",
    "litellm 1.108.7, recorded",
    "multipart/form-data; boundary=354d4eee7f26788592cf2e552f236dc5",
    b"--354d4eee7f26788592cf2e552f236dc5\r\n"
    b'Content-Disposition: form-data; name="model"\r\n\r\nzoo\r\n'
    b"--354d4eee7f26788592cf2e552f236dc5\r\n"
    b'Content-Disposition: form-data; name="n"\r\n\r\n2\r\n'
    b"--354d4eee7f26788592cf2e552f236dc5\r\n"
    b'Content-Disposition: form-data; name="prompt"\r\n\r\na cat that sits\r\n'
    b"--354d4eee7f26788592cf2e552f236dc5\r\n"
    b'Content-Disposition: form-data; name="image[]"; filename="image.png"\r\n'
    b"Content-Type: image/png\r\n\r\nPHOTO\r\n"
    b"--354d4eee7f26788592cf2e552f236dc5--\r\n",
    2,
)

# n8n's HTTP Request node hands its form to the npm package form-data (HttpRequestV3.node.ts at
# commit 00005e7, `requestOptions.formData`), whose boundary is 26 hyphens and 24 digits.
N8N = SentRequest(
    "n8n",
    "n8n 00005e7, packages/nodes-base/nodes/HttpRequest/V3/HttpRequestV3.node.ts; form-data 4",
    "multipart/form-data; boundary=--------------------------240173925061830957142608",
    b"----------------------------240173925061830957142608\r\n"
    b'Content-Disposition: form-data; name="prompt"\r\n\r\na cat that sits\r\n'
    b"----------------------------240173925061830957142608\r\n"
    b'Content-Disposition: form-data; name="model"\r\n\r\n\r\n'
    b"----------------------------240173925061830957142608\r\n"
    b'Content-Disposition: form-data; name="image"; filename="photo.png"\r\n'
    b"Content-Type: image/png\r\n\r\nPHOTO\r\n"
    b"----------------------------240173925061830957142608--\r\n",
    1,
)

SENT_REQUESTS = (OPEN_WEBUI, LITELLM, N8N)
