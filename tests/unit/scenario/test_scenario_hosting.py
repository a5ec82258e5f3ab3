"""From the sections of a scenario to node, model, precisions and channel."""

from __future__ import annotations

from typing import Any

import pytest

from edgebatch.cost import BatchCost
from edgebatch.errors import CannotHostError, InputError
from edgebatch.presets import device_preset, model_preset
from edgebatch.problem import Batching
from edgebatch.scenario import Scenario
from edgebatch.scenario.hosting import build_channel, build_model, build_node, build_precisions
from toy_scenario import CUSTOM, TOY, toy


def test_a_device_by_name_is_its_preset_many_times() -> None:
    node = build_node({"device": "jetson tx2", "count": 20, "roofline": False})
    assert node == device_preset("Jetson TX2").node(count=20, roofline=False)
    # 20 · 1.33 TFLOP/s, 20 · 8 GB
    assert node.flops == pytest.approx(26.6e12)
    assert node.memory_bytes == 160e9
    assert node.memory_bandwidth is None


def test_explicit_figures_are_of_the_whole_node_and_outweigh_the_device() -> None:
    node = build_node(
        {"device": "Jetson TX2", "count": 20, "memory_bytes": 5e9, "memory_bandwidth": 1e9}
    )
    assert (node.memory_bytes, node.memory_bandwidth) == (5e9, 1e9)
    assert node.flops == pytest.approx(26.6e12)


def test_a_node_of_explicit_figures_needs_no_device() -> None:
    node = build_node({"memory_bytes": 1e6, "flops": 16.0, "uplink_seconds": 0.5})
    assert (node.memory_bytes, node.flops, node.uplink_seconds) == (1e6, 16.0, 0.5)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "node.memory_bytes: is missing; give it or node.device"),
        ({"memory_bytes": 1e6}, "node.flops: is missing; give it or node.device"),
        ({"memory_bytes": 1.0, "flops": 1.0, "count": 2}, "node.count: only goes with node.device"),
        ({"device": "Jetson TX3"}, "node.device: unknown name 'Jetson TX3'; did you mean"),
        (
            {"device": "Jetson TX2", "roofline": False, "memory_bandwidth": 1e9},
            "node.memory_bandwidth: must not stand beside node.roofline = false",
        ),
    ],
)
def test_a_node_that_contradicts_itself_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_node(section)
    assert str(caught.value).startswith(said)


def test_a_model_is_a_name_or_sizes() -> None:
    assert build_model({"name": "bloom-3B"}) == model_preset("BLOOM-3b").model
    sizes = {"layers": 2, "hidden_size": 4, "ffn_size": 8, "heads": 2}
    # 2 · (4·4² + 2·4·8) as published
    assert build_model({**sizes, "parameters": "published"}).parameters == 256
    assert build_model({**sizes, "parameters": 1000}).parameters == 1000


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "model.layers: is missing; give it or model.name"),
        ({"layers": 2, "hidden_size": 4}, "model.ffn_size: is missing"),
        ({"name": "BLOOM-3b", "layers": 2}, "model.layers: must not stand beside model.name"),
        ({"name": "BLOM-3b"}, "model.name: unknown name 'BLOM-3b'; did you mean 'BLOOM-3b'?"),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_model(section)
    assert str(caught.value).startswith(said)


def test_precisions_by_name_come_before_those_spelt_out() -> None:
    built = build_precisions({"hosted": ["w8a16", "W4A16"], "custom": [CUSTOM]}, "BLOOM-3b")
    assert [precision.name for precision in built] == ["w8a16", "w4a16", "w16"]


def test_a_precision_spelt_out_may_have_overheads_and_factors_of_attention() -> None:
    more = {"decode_attention_factor": 2.5, "request_overhead_seconds": 0.5}
    [built] = build_precisions({"custom": [{**CUSTOM, **more}]}, None)
    assert (built.decode_attention_factor, built.request_overhead_seconds) == (2.5, 0.5)
    assert built.prefill_attention_factor is None
    # 1 token of 16 FLOP at 16 FLOP/s, and half a second a request
    slowed = toy(
        "precisions.custom=[{name='w16', weight_bytes=2.0, kv_bytes=2.0, prefill_factor=1.0, "
        "decode_factor=1.0, quality=1.0, request_overhead_seconds=0.5}]"
    )
    hosting = slowed.hosting
    cost = BatchCost(hosting.node, hosting.model, hosting.precisions[0])
    assert cost.member_seconds(1.0, 1.0) == 1.5


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "precisions.hosted: must name at least one precision"),
        ({"hosted": ["w8a61"]}, "precisions.hosted[0]: unknown name 'w8a61'"),
        ({"hosted": ["w8a16", "W8A16"]}, "precisions.hosted[1]: must be unique, but 'w8a16'"),
        ({"custom": [CUSTOM, CUSTOM]}, "precisions.custom[1].name: must be unique, but 'w16'"),
    ],
)
def test_precisions_are_known_and_different(section: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_precisions(section, None)
    assert str(caught.value).startswith(said)


def test_without_a_section_the_radio_is_no_bottleneck() -> None:
    assert build_channel(None, seed=1) is None
    assert toy().channel is None


def test_a_cell_is_a_preset_with_changes() -> None:
    channel = build_channel({"scenario": "uma", "cell_radius_m": 300.0}, seed=7)
    assert channel is not None
    assert (channel.seed, channel.scenario.cell_radius_m) == (7, 300.0)
    assert channel.scenario.path_loss == "uma"


def test_requests_are_never_padded_unless_it_is_asked_for() -> None:
    assert toy().hosting.batching is Batching.RAGGED
    assert toy("scheduler.batching=padded").hosting.batching is Batching.PADDED


def test_weights_that_do_not_fit_are_refused_before_anything_runs() -> None:
    # 6 parameters of 2 bytes
    assert toy("node.memory_bytes=12").hosting.node.memory_bytes == 12.0
    with pytest.raises(CannotHostError, match="host fewer or lower precisions"):
        toy("node.memory_bytes=11.9")


def test_a_scenario_with_settings_leaves_the_first_as_it_was() -> None:
    scenario = toy()
    assert scenario.with_settings("seed=9").seed == 9
    assert scenario.seed == 3
    assert Scenario({key: TOY[key] for key in TOY if key != "seed"}).seed == 0


def test_how_many_run_at_once_may_be_said_of_any_node() -> None:
    assert toy().hosting.max_running is None
    assert toy("node.max_running=8").hosting.max_running == 8
    assert toy("node.max_running=8").hosting.node == toy().hosting.node
    with pytest.raises(
        InputError, match=r"node\.max_running: must be a whole number of at least 1"
    ):
        toy("node.max_running=0")
