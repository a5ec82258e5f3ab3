"""Settings from file, environment and flags, and what is left of defaults when some are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebatch.errors import InputError
from edgebatch.serving.build import build_gateway
from edgebatch.serving.keys import hash_key
from edgebatch.serving.settings import Demands, load_settings


def test_flags_outweigh_the_environment_and_that_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        'port = 1\nhost = "127.0.0.1"\npolicy = "sjf"\n[limits]\nqueue = 1\nbody_bytes = 1\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("EDGEBATCH_PORT", "2")
    monkeypatch.setenv("EDGEBATCH_HOST", "127.0.0.2")
    monkeypatch.setenv("EDGEBATCH_LIMITS__QUEUE", "2")
    settings = load_settings(path, {"port": 3, "limits": {"max_tokens": 3}})
    assert (settings.port, settings.host, settings.policy) == (3, "127.0.0.2", "sjf")
    limits = settings.limits
    assert (limits.body_bytes, limits.queue, limits.max_tokens) == (1, 2, 3)


def test_who_sets_one_default_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Demands(e2e_seconds=30.0, min_quality=0.0, max_tokens=64, priority=0)
    assert load_settings(None, {"defaults": {"max_tokens": 64}}).defaults == expected
    path = tmp_path / "gateway.toml"
    path.write_text("[defaults]\nmax_tokens = 64\n", encoding="utf-8")
    assert load_settings(path, {}).defaults == expected
    monkeypatch.setenv("EDGEBATCH_DEFAULTS__MAX_TOKENS", "64")
    assert load_settings(None, {}).defaults == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drain_seconds = nan", "drain_seconds: Input should be a finite number, got nan"),
        ("[limits]\nbody_seconds = nan", "limits.body_seconds: Input should be a finite number"),
        ("[lengths]\nquantile = nan", "lengths.quantile: Input should be a finite number"),
        (
            f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nshare = inf',
            "keys[0].share: Input should be a finite number",
        ),
    ],
)
def test_what_is_no_number_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load_settings(path, {})
    assert str(raised.value).startswith(f"{path}: {told}")


@pytest.mark.parametrize(("shares", "most"), [([], 8), ([2.0], 8), ([1.0, 3.0, 0.1], 8 + 1 + 5)])
def test_the_scheduler_has_room_for_whom_the_gateway_lets_in(
    shares: list[float], most: int
) -> None:
    keys = [
        {"name": f"key-{number}", "sha256": hash_key(str(number)), "share": share}
        for number, share in enumerate(shares)
    ]
    settings = load_settings(None, {"engine": "simulated", "limits": {"queue": 8}, "keys": keys})
    # once one has filled it, the parts of the others: 8 * 1 / 4.1, 8 * 3 / 4.1 and at least 1
    assert build_gateway(settings).scenario.section("scheduler")["queue_limit"] == most


KEYS = [
    {"name": "others", "sha256": hash_key("b")},
    {"name": "phones", "sha256": hash_key("a"), "share": 2.0},
]


@pytest.mark.parametrize(
    ("policy", "keys", "shares"),
    [("Rolling:batch_cap=4", KEYS, [1.0, 2.0]), ("rolling", [], None), ("fcfs", KEYS[:1], None)],
)
def test_shares_are_for_the_policy_that_knows_them(
    policy: str, keys: list[dict[str, object]], shares: list[float] | None
) -> None:
    settings = load_settings(None, {"engine": "simulated", "policy": policy, "keys": keys})
    scheduler = build_gateway(settings).scenario.section("scheduler")
    assert scheduler.get("tenant_shares") == shares


@pytest.mark.parametrize("policy", ["fcfs", "continuous:batch_cap=4", "dftsp"])
def test_a_share_is_refused_where_it_would_be_ignored(policy: str) -> None:
    settings = load_settings(None, {"engine": "simulated", "policy": policy, "keys": KEYS})
    with pytest.raises(InputError) as raised:
        build_gateway(settings)
    name = policy.partition(":")[0]
    told = (
        f"keys[1].share: is heeded by rolling alone, not by {name}: leave it out, or take rolling"
    )
    assert str(raised.value) == told
