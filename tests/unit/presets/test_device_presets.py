from __future__ import annotations

from dataclasses import replace

import pytest

from edgebatch.errors import InputError, UnknownNameError
from edgebatch.presets import bandwidth_evidence, device_preset, devices
from edgebatch.presets.tables import read_table


def test_twenty_tx2_boards_make_the_node_of_the_evaluation() -> None:
    node = device_preset("Jetson TX2").node(count=20, uplink_seconds=0.25, downlink_seconds=0.25)
    assert node.flops == pytest.approx(26.6e12)  # 20 × 1.33
    assert node.memory_bytes == 160e9  # 20 × 8
    assert node.memory_bandwidth == pytest.approx(1.194e12)  # 20 × 59.7
    assert (node.uplink_seconds, node.downlink_seconds) == (0.25, 0.25)
    assert node.name == "20 × Jetson TX2"


def test_efficiencies_scale_arithmetic_and_bandwidth_apart() -> None:
    orin = device_preset("Jetson AGX Orin 64GB")
    node = orin.node(efficiency=0.5, bandwidth_efficiency=0.75, name="mine")
    assert node.flops == pytest.approx(21.25e12)  # 42.5 / 2
    assert node.memory_bandwidth == pytest.approx(153.6e9)  # 204.8 × 3/4
    assert node.name == "mine"


def test_the_published_form_charges_no_traffic() -> None:
    assert device_preset("RTX 4060").node(roofline=False).memory_bandwidth is None


@pytest.mark.parametrize(
    ("name", "sizes_gb"),
    [
        ("Jetson TX2", (8.0, 4.0)),
        ("Jetson Xavier NX", (8.0, 16.0)),
        ("Jetson AGX Orin 64GB", (64.0,)),
        ("Apple M4", (16.0, 32.0)),
        ("Apple M1", (8.0, 16.0)),
    ],
)
def test_memory_variants_are_read_however_they_are_written(
    name: str, sizes_gb: tuple[float, ...]
) -> None:
    assert devices()[name].memory_sizes_bytes == tuple(size * 1e9 for size in sizes_gb)


def test_memory_is_that_of_the_first_variant_unless_said_otherwise() -> None:
    tx2 = device_preset("Jetson TX2")
    assert tx2.node().memory_bytes == 8e9
    assert tx2.node(count=3, memory_bytes=4e9).memory_bytes == 12e9


def test_matrix_units_count_where_they_are_known_and_vector_units_elsewhere() -> None:
    assert devices()["RTX 4090"].peak_flops == pytest.approx(165.2e12)
    assert devices()["DGX Spark GB10"].peak_flops == pytest.approx(29.71e12)


def test_a_device_without_any_peak_cannot_make_a_node() -> None:
    unknown = replace(devices()["Jetson TX2"], vector_flops=None)
    with pytest.raises(InputError, match=r"give node\.flops instead"):
        unknown.node()


def test_power_is_a_range_or_unknown() -> None:
    assert devices()["Jetson TX2"].power_watts == (7.5, 15.0)
    assert devices()["RTX 4090"].power_watts == (450.0, 450.0)
    assert devices()["Raspberry Pi 5 (8/16GB)"].power_watts is None


def test_every_device_makes_a_node_and_names_its_source() -> None:
    for device in devices().values():
        node = device.node()
        assert node.flops == device.peak_flops, device.name
        assert node.memory_bandwidth == device.memory_bandwidth, device.name
        assert device.source, device.name


def test_an_efficiency_must_be_positive() -> None:
    tx2 = device_preset("Jetson TX2")
    with pytest.raises(InputError, match=r"node\.efficiency: must be a finite number above 0"):
        tx2.node(efficiency=0.0)
    with pytest.raises(InputError, match=r"node\.bandwidth_efficiency: must be a finite number"):
        tx2.node(bandwidth_efficiency=-0.5)


def test_a_count_must_be_whole() -> None:
    with pytest.raises(InputError, match=r"node\.count"):
        device_preset("Jetson TX2").node(count=0)


def test_a_misspelt_device_is_told_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'Jetson TX2'"):
        device_preset("jetson-tx2")


def test_evidence_reads_a_decoding_speed_as_a_bandwidth() -> None:
    first = bandwidth_evidence("Jetson AGX Orin 64GB")[0]
    assert (first.model, first.precision, first.tokens_per_second) == ("Qwen3-4B", "w16a16", 20.2)
    # 20.2/s × 4,022,468,096 × 2 bytes = 162.5 GB/s of 204.8
    assert first.efficiency == pytest.approx(162.508e9 / 204.8e9, rel=1e-4)
    assert "vision tower" in first.notes


def test_evidence_stays_below_the_peak_and_is_absent_for_most_devices() -> None:
    found = [one for name in devices() for one in bandwidth_evidence(name)]
    assert len(found) == 9
    assert all(0.0 < one.efficiency < 1.0 for one in found)
    assert bandwidth_evidence("RTX 4060") == ()


def test_every_measured_speed_with_a_device_preset_is_used() -> None:
    named = [
        row
        for row in read_table("quantization_speed.csv")
        if row["device_preset"] and row["phase"].startswith("decode")
    ]
    assert len(named) == sum(len(bandwidth_evidence(name)) for name in devices())
