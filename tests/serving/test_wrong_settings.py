"""Settings that are wrong: where, and what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgebatch.errors import InputError
from edgebatch.serving.build import build_gateway, check_settings
from edgebatch.serving.server import listen
from edgebatch.serving.settings import load_settings
from toy_profile import toy_profile

URL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "prot: unknown name 'prot'; did you mean 'port'?"),
        ("[limits]\nqueu = 4", "limits.queu: unknown name 'queu'; did you mean 'queue'?"),
        ('[[keys]]\nnmae = "a"', "keys[0].nmae: unknown name 'nmae'; did you mean 'name'?"),
        ('[[keys]]\nname = "a"', "keys[0].sha256: is missing"),
        (
            '[[keys]]\nname = "a"\nsha256 = "pomegranate"',
            "keys[0].sha256: must be 64 hexadecimal digits, "
            "as edgebatch serve --hash-key prints them",
        ),
        ('port = "abc"', "port: Input should be a valid integer, unable to parse string as an "),
    ],
)
def test_a_file_is_told_where_it_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        load_settings(path, {})
    assert str(raised.value).startswith(f"{path}: {told}")
    assert "pomegranate" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("EDGEBATCH_PORT", "abc", "EDGEBATCH_PORT: Input should be a valid integer"),
        ("EDGEBATCH_LIMITS__QUEU", "4", "EDGEBATCH_LIMITS__QUEU: unknown name 'queu'"),
        ("EDGEBATCH_LIMITS", '{"queue": 0}', "EDGEBATCH_LIMITS: Input should be greater than"),
        ("EDGEBATCH_KEYS", "abc", "EDGEBATCH_KEYS: must be JSON, as it is a list or table"),
    ],
)
def test_a_variable_is_named_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("port = 1\n[limits]\nbody_bytes = 9\n", encoding="utf-8")
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as raised:
        load_settings(path, {})
    assert str(raised.value).startswith(told)


W8, W9, W16 = ({"precision": name, "url": URL} for name in ("w8", "w9", "w16"))
OTHER_W8 = {"precision": "w8", "url": "http://127.0.0.1:10/v1"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "servers: must say where the model is served: --url PRECISION=URL"),
        ({"servers": [W8], "precisions": ["w16"]}, "servers: must say where 'w16' is served"),
        ({"servers": [W9]}, "servers[0].precision: unknown name 'w9'; did you mean 'w8'?"),
        (
            {"servers": [W9], "policy": "dftsp"},
            "precisions.hosted[0]: unknown name 'w9'; did you mean 'w8'?",
        ),
        ({"servers": [W8, W16, W8]}, "servers[2]: is there twice; what may run at once is"),
        (
            {"servers": [W8, OTHER_W8], "policy": "dftsp"},
            "servers[1].precision: must not be there twice: dftsp decides in epochs",
        ),
        (
            {"servers": [{**W8, "profile": "p.toml"}], "policy": "dftsp"},
            "servers[0].profile: must not be there: dftsp decides in epochs",
        ),
        ({"servers": [W8], "engine": "simulated"}, "servers: go with engine 'openai', not with"),
    ],
)
def test_precisions_that_are_served_nowhere_are_told_at_the_start(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    with pytest.raises(InputError) as raised:
        build_gateway(load_settings(None, {"engine": "openai", "profile": path, **settings}))
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"servers": [W8, W16], "policy": "continuous:precision=w8"},
            "servers: must all serve 'w8', which is the one that the policy runs; got 'w16'",
        ),
        (
            {"servers": [W8, W16], "precisions": ["w16"]},
            "servers[0].precision: would never be asked, because 'w8' is not among the precisions "
            "to host",
        ),
        (
            {"servers": [W8, W16], "policy": "dftsp", "precisions": ["w8"]},
            "servers[1].precision: would never be asked, because 'w16' is not among the precisions "
            "to host",
        ),
    ],
)
def test_a_server_that_would_never_be_asked_is_told_at_the_start(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    with pytest.raises(InputError) as raised:
        build_gateway(load_settings(None, {"engine": "openai", "profile": path, **settings}))
    assert str(raised.value) == told


@pytest.mark.parametrize(
    ("policy", "servers"),
    [
        ("rolling", [W8]),
        ("rolling", [W8, W16]),
        ("rolling", [W8, OTHER_W8]),
        ("continuous", [W16, W8, OTHER_W8]),
        ("dftsp", [W8, W16]),
    ],
)
def test_all_servers_run(tmp_path: Path, policy: str, servers: list[dict[str, str]]) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    settings = {"engine": "openai", "profile": path, "policy": policy, "servers": servers}
    gateway = build_gateway(load_settings(None, settings))
    assert {each.name for each in gateway.precisions} == {each["precision"] for each in servers}
    assert len(gateway.fleet.keepers) == (1 if policy == "dftsp" else len(servers))


def test_each_server_may_have_a_profile_of_its_own(tmp_path: Path) -> None:
    profile, paths = toy_profile(), [tmp_path / "slow.toml", tmp_path / "fast.toml"]
    for path, flops in zip(paths, (1.0, 2.0), strict=True):
        node = profile.node.replace(flops=flops * profile.node.flops)
        replace(profile, node=node).save(path)
    servers = [
        {**server, "profile": path} for server, path in zip((W8, OTHER_W8), paths, strict=True)
    ]
    settings = {"engine": "openai", "servers": servers}
    check_settings(load_settings(None, settings))
    gateway = build_gateway(load_settings(None, settings))
    slow, fast = (each.node.flops for each in gateway.scenario.servers)
    assert fast == 2.0 * slow
    with pytest.raises(InputError, match=r"^servers\[1\].profile: is missing"):
        check_settings(load_settings(None, {**settings, "servers": [servers[0], OTHER_W8]}))


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        (["http://a:1/v1", "http://b:1/v1"], ["a:1", "b:1"]),
        (["http://a:1/x/v1", "http://a:1/y/v1"], ["1: w8 a:1/x", "2: w8 a:1/y"]),
    ],
)
def test_servers_have_names_that_differ(tmp_path: Path, urls: list[str], names: list[str]) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    servers = [{"precision": "w8", "url": url} for url in urls]
    given = {"engine": "openai", "profile": path, "servers": servers}
    gateway = build_gateway(load_settings(None, given))
    assert [each.name for each in gateway.fleet.keepers] == names


def test_the_same_server_written_in_two_ways_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    toy_profile().save(path)
    servers = [W8, {**W8, "url": f"{URL}/"}]
    given = {"engine": "openai", "profile": path, "servers": servers}
    with pytest.raises(InputError, match=r"^servers\[1\]: is there twice"):
        build_gateway(load_settings(None, given))


def test_a_host_that_is_not_this_machine_is_told_apart_from_a_taken_port() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"^port: cannot .*:{port}: Address already in use$"):
            listen("127.0.0.1", port)
    # set aside for documentation, nobody's
    with pytest.raises(InputError, match=r"^host: cannot listen at 192\.0\.2\.1:0: Cannot"):
        listen("192.0.2.1", 0)
    with pytest.raises(InputError, match=r"^host: cannot listen at \[2001:db8::1\]:0: "):
        listen("2001:db8::1", 0)
