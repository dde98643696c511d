"""The deployment page lists every setting."""

from core.settings import Settings
from tests.support.commands import ROOT


def test_every_setting_is_in_the_table() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()

    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"BARET_{name.upper()}"
        assert f"| `{variable}` |" in page
