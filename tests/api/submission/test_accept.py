"""What is left of a POST that is refused on its way."""

from collections.abc import Callable
from dataclasses import replace

from fastapi.testclient import TestClient

from api.app import create_app
from api.server.fair_share import FairShare
from core.images.storage import ImageStorage
from core.schema import Model
from core.settings import Settings
from core.store import keys
from core.store.edits import EditStore
from tests.support.problems import assert_problem


class FillingStorage(ImageStorage):
    """Storage during whose writing others take all slots of admission."""

    admission: FairShare

    def put(self, *args: object, **named: object) -> None:
        super().put(*args, **named)  # type: ignore[arg-type]
        number = 0
        while self.admission.try_acquire(f"other {number}"):
            number += 1


def test_a_photo_whose_edit_gets_no_turn_to_be_accepted_is_deleted(
    settings: Settings, store: EditStore, model: Model, make_image: Callable[..., bytes]
) -> None:
    store.announce("worker-1", model)
    app = create_app(settings.model_copy(update={"share_wait": 0.2}))
    images = FillingStorage(settings.images_url)
    images.admission = app.state.services.shares.admission
    app.state.services = replace(app.state.services, images=images)
    with TestClient(app) as client:
        answer = client.post(
            "/v1/edits", data={"prompt": "a cat"}, files={"image": make_image("PNG")}
        )
    assert_problem(answer, 503, "unavailable")
    pictures = settings.data_dir / "pictures"
    assert [path for path in pictures.rglob("*") if path.is_file()] == []
    assert store._redis.zcard(keys.DELETIONS) == 0
