"""What parameters and fields mean, for those whose own declaration does not say it."""

from typing import Any

PARAMETERS = {
    "edit_id": "id of one of your edits, `edit_…`",
    "batch_id": "id of one of your batches, `batch_…`",
    "model_id": "id of a model, as `GET /v1/models` lists it",
    "delivery_id": "id of the delivery: the `webhook-id` that the receiver got",
    "upload_id": "id of the upload, `upl_…`",
    "name": "name of the image, as its address has it",
    "expires": "until when the address is valid, in Unix time; part of what is signed",
    "signature": "proof that the service made the address",
    "limit": "how many are on a page",
    "cursor": "`next_cursor` of the page before; it works only for its caller",
    "status": "only edits of this status",
}

_SIZE = {"width": "in pixels", "height": "in pixels"}
_SHARES = {
    "self_attention_until": "share of the steps in which the photo's self-attention is used",
    "cross_attention_until": "share of the steps in which the photo's cross-attention is used",
}
_OUTPUT_FILE = {
    "output_format": "encoding of the outputs",
    "quality": "of JPEG and WebP outputs, 1 to 100",
}
_WEBHOOK = {
    "webhook_url": "address that is called when something happens to the edit",
    "webhook_events": "which events it is called for",
}
FIELDS: dict[str, dict[str, str]] = {
    "CreateEditRequest": {
        "prompt": "what the edited photo should show: `a dog sitting`, not `make the dog sit`",
        **_OUTPUT_FILE,
        **_WEBHOOK,
    },
    "Batch": {"request_counts": "how many of its edits have ended", "urls": "addresses of it"},
    "DeliveryAttempt": {"at": "when it was sent"},
    "DeliveryList": {"data": "deliveries, the oldest event first"},
    "Edit": {
        "id": "opaque; ids sort by time",
        "created_at": "when it was accepted",
        "started_at": "when a worker took it, the last time if there were several",
        "completed_at": "when it ended, whatever its outcome; null until then",
        "stage": "what a worker does with it now; null unless it is running",
        "progress": "never falls within one attempt",
        "prompt": "as it was sent, without spaces around it",
        "model": "the model that makes it",
        "metadata": "your own keys and values",
        "outputs": "one image for each strength, once it has succeeded",
        "artifacts": "images that show how it was made, if they were asked for",
    },
    "FieldError": {"detail": "what is wrong with the field, and what it accepts"},
    "Health": {"status": "always `ok`"},
    "InputImage": {
        "width": "in pixels, as the photo is shown",
        "height": "in pixels, as the photo is shown",
        "content_type": "by its content, whatever its name",
        "sha256": "of the bytes that were sent",
    },
    "Metrics": {
        "queue_seconds": "from its acceptance to its start",
        "run_seconds": "of the attempt that ended it",
        "stage_seconds": "of that attempt, by stage",
        "inversion_reused": "whether what was found out about the photo before was used again",
        "attempts": "more than one if a worker was lost",
    },
    "ImageEvent": {
        "type": "an unfinished image, or the finished one",
        "b64_json": "the image",
        "created_at": "Unix time of the event",
        "size": "of the image, WIDTHxHEIGHT",
        "background": "always `auto`",
        "quality": "always `auto`",
    },
    "ListedModel": {
        "id": "what requests name as `model`",
        "default": "whether requests that name no model get this one",
        "licence": "of the model's weights",
        "presets": "values that `preset` fills in, by its name",
        "owned_by": "always `baret`",
    },
    "ModelList": {"data": "every model that a worker has ever announced"},
    "ModelStatus": {
        "id": "what requests name as `model`",
        "queued": "edits that wait",
        "running": "edits that a worker has",
    },
    "OpenAIImages": {"data": "one image, or as many as `n` asked for"},
    "Output": {
        "strength": "the one that was asked for",
        "url": "signed: works without a key for an hour",
        **_SIZE,
        "content_type": "of the file",
        "sha256": "of the file as it is stored",
        "bytes": "length of the file as it is stored",
    },
    "Page": {"data": "edits, the newest first"},
    "Params": {
        "strength": "0 keeps the photo, 1 follows the text; one output for each",
        **_SHARES,
        "num_inference_steps": "denoising steps",
        "guidance_scale": "how strongly the text leads the edit",
        "quality": "of JPEG and WebP outputs",
        **_WEBHOOK,
    },
    "ParamsInput": {**_OUTPUT_FILE, **_WEBHOOK},
    "PresetValues": {"strength": "0 keeps the photo, 1 follows the text", **_SHARES},
    "PreviewEvent": {"progress": "of the edit"},
    "Problem": {
        "type": "path of the page that explains this kind of problem",
        "title": "of this kind of problem, for people",
        "status": "of the answer",
        "detail": "what to do about it",
        "instance": "path of the request",
        "errors": "the wrong fields, if fields are wrong; at most 32",
    },
    "ProgressEvent": {"progress": "of the edit"},
    "Readiness": {"status": "always `ready`"},
    "Size": _SIZE,
    "Status": {
        "queued": "edits that wait",
        "running": "edits that a worker has",
        "oldest_wait_seconds": "of the edit that waits longest; 0 if none does",
        "models": "every model that a worker has ever announced",
    },
    "StatusEvent": {"stage": "what a worker does with it now"},
    "Token": {
        "id": "the name that logs use for the token; not a secret",
        "user": "whose edits it makes and sees",
        "edits": "how many edits it may make; null: as many as the key",
        "expires_at": "when it ends",
    },
    "Upload": {
        "id": "what an edit names as `upload`",
        "method": "to send the image with",
        "max_bytes": "how many bytes the image may have, or must have if `bytes` was given",
    },
    "Urls": {"self": "the edit", "cancel": "for a POST that cancels it"},
    "WebhookDelivery": {
        "url": "the receiver",
        "created_at": "when the event happened",
    },
}
_KIND = "the kind of this resource"


def describe_all(document: dict[str, Any]) -> None:
    """Add the descriptions of parameters and fields that have none of their own."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in PARAMETERS:
                    parameter.setdefault("description", PARAMETERS[parameter["name"]])
    for name, schema in document["components"]["schemas"].items():
        texts = {"object": _KIND} | FIELDS.get(name, {})
        for field, text in texts.items():
            property_ = schema.get("properties", {}).get(field)
            if property_ is not None and "$ref" not in property_:
                property_.setdefault("description", text)
