"""Webhook secrets and their rotation; time is passed in."""

import base64
from datetime import UTC, datetime, timedelta

from core.webhooks.secrets import MAX_SECRETS, HookSecrets

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_callers_secret_is_made_once_and_has_the_published_form(
    hook_secrets: HookSecrets,
) -> None:
    # Standard Webhooks 1.0.0: base64 of 24 to 64 random bytes behind whsec_.
    shown = hook_secrets.current("ann")
    assert shown.secret.startswith("whsec_")
    assert len(base64.b64decode(shown.secret.removeprefix("whsec_"), validate=True)) == 32
    assert shown.previous_expires_at is None
    assert hook_secrets.current("ann") == shown
    assert hook_secrets.signing("ann") == [shown.secret]
    assert hook_secrets.current("bob").secret != shown.secret


def test_after_a_rotation_both_sign_for_24_hours(hook_secrets: HookSecrets) -> None:
    old = hook_secrets.current("ann", now=NOW).secret
    shown = hook_secrets.rotate("ann", now=NOW)
    assert shown.secret != old
    assert shown.previous_expires_at == NOW + 24 * HOUR
    just_before = NOW + 24 * HOUR - timedelta(seconds=1)
    assert hook_secrets.signing("ann", now=just_before) == [shown.secret, old]
    assert hook_secrets.signing("ann", now=NOW + 24 * HOUR) == [shown.secret]
    assert hook_secrets.current("ann", now=NOW + 24 * HOUR).previous_expires_at is None


def test_each_of_several_rotations_keeps_its_day(hook_secrets: HookSecrets) -> None:
    first = hook_secrets.current("ann", now=NOW).secret
    second = hook_secrets.rotate("ann", now=NOW).secret
    third = hook_secrets.rotate("ann", now=NOW + HOUR).secret
    assert hook_secrets.signing("ann", now=NOW + 2 * HOUR) == [third, second, first]
    assert hook_secrets.signing("ann", now=NOW + 24 * HOUR) == [third, second]


def test_however_often_it_is_rotated_few_sign(hook_secrets: HookSecrets) -> None:
    for second in range(3 * MAX_SECRETS):
        last = hook_secrets.rotate("ann", now=NOW + timedelta(seconds=second)).secret
    signing = hook_secrets.signing("ann", now=NOW + HOUR)
    assert len(signing) == MAX_SECRETS
    assert signing[0] == last
