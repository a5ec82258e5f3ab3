"""Fitting: what went into times must come out of them."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import pytest

from edgebatch.calibration.figures import errors_by, verdict
from edgebatch.calibration.fit import Fit, fit_published, fit_samples
from edgebatch.calibration.mapping import coefficients_of
from edgebatch.calibration.profile_schema import Errors, FitFigures
from edgebatch.calibration.samples import Sample, batch_sample, decode_sample, prefill_sample
from edgebatch.cost import BatchCost, decode_flops, prefill_flops
from edgebatch.errors import InputError, MissingExtraError
from edgebatch.problem import Model, Node, Precision

MODEL = Model(layers=12, hidden_size=512, ffn_size=2048, heads=8)
TRUE_NODE = Node(
    8e9, 2e11, memory_bandwidth=2e10, step_overhead_seconds=2e-4, batch_overhead_seconds=0.05
)
W16 = Precision("w16", 2.0)
W8 = Precision("w8", 1.0, quality=0.98)
# W8 has its bytes at half the time, but unpacks them token by token
TRUE_PRECISIONS = (
    W16.replace(request_overhead_seconds=0.01),
    W8.replace(
        prefill_factor=1.6,
        decode_factor=1.6,
        prefill_attention_factor=2.0,
        decode_attention_factor=3.0,
        step_overhead_seconds=1e-4,
        request_overhead_seconds=0.02,
    ),
)
BARE = Node(8e9, 1.0)


def measured(noise: float, precisions: Sequence[Precision] = TRUE_PRECISIONS) -> list[Sample]:
    """Times of the true machine, each multiplied by lognormal noise."""
    generator = random.Random(7)
    samples = []
    for precision in precisions:
        name = precision.name
        grid = [
            decode_sample(name, [context] * members, 1.0, passes=8)
            for members in (1, 2, 4, 8, 16, 32)
            for context in (16, 64, 256, 512)
        ]
        grid += [
            prefill_sample(name, [prompt] * joining, 1.0, decoding=[64] * running)
            for prompt in (16, 64, 256, 512)
            for joining, running in ((1, 0), (3, 0), (1, 4))
        ]
        grid += [batch_sample(name, [64] * members, [8] * members, 1.0) for members in (1, 4, 16)]
        fit = Fit(TRUE_NODE, MODEL, tuple(precisions))
        samples += [
            each.replace(seconds=fit.predict(each) * generator.lognormvariate(0.0, noise))
            for each in grid
        ]
    return samples


def test_without_noise_every_coefficient_is_recovered() -> None:
    fit = fit_samples(measured(0.0), BARE, MODEL, [W16, W8])
    for found, true in zip(fit.precisions, TRUE_PRECISIONS, strict=True):
        assert coefficients_of(BatchCost(fit.node, MODEL, found)) == pytest.approx(
            coefficients_of(BatchCost(TRUE_NODE, MODEL, true)), rel=1e-4
        )
    # the first precision is the one whose arithmetic counts as 1
    assert fit.node.flops == pytest.approx(2e11, rel=1e-4)
    assert [each.prefill_factor for each in fit.precisions] == pytest.approx([1.0, 1.6], rel=1e-4)
    assert fit.precisions[1].prefill_attention_factor == pytest.approx(2.0, rel=1e-3)
    assert fit.errors(measured(0.0)).worst < 1e-4


def test_names_bytes_and_qualities_are_those_given() -> None:
    node = BARE.replace(uplink_seconds=0.25, reserved_bytes=1e6, name="box")
    fit = fit_samples(measured(0.0), node, MODEL, [W16, W8])
    assert [(each.name, each.weight_bytes, each.quality) for each in fit.precisions] == [
        ("w16", 2.0, 1.0),
        ("w8", 1.0, 0.98),
    ]
    kept = (fit.node.uplink_seconds, fit.node.reserved_bytes, fit.node.name)
    assert kept == (0.25, 1e6, "box")


def test_with_noise_estimates_lie_within_a_few_standard_errors() -> None:
    fit = fit_samples(measured(0.02), BARE, MODEL, [W16, W8])
    true = [coefficients_of(BatchCost(TRUE_NODE, MODEL, each)) for each in TRUE_PRECISIONS]
    expected = [*true[0][:-1], *true[1][:-1], true[0].batch]
    assert len(fit.estimates) == len(expected) == 13
    for estimate, value in zip(fit.estimates, expected, strict=True):
        assert estimate.error_seconds is not None, estimate
        assert abs(estimate.seconds - value) < 4.0 * estimate.error_seconds, estimate
    assert fit.errors(measured(0.02)).median < 0.03


def test_a_few_wild_outliers_do_not_bend_the_fit() -> None:
    samples = measured(0.005)
    for position in range(0, len(samples), 13):
        samples[position] = samples[position].replace(seconds=5.0 * samples[position].seconds)
    fit = fit_samples(samples, BARE, MODEL, [W16, W8])
    clean = measured(0.0)
    assert fit.errors(clean).median < 0.02


def test_no_coefficient_is_negative_and_what_was_not_measured_is_zero() -> None:
    # one prompt a pass, no whole batches
    samples = [each for each in measured(0.02) if each.size == 1 and each.terms.batches == 0.0]
    fit = fit_samples(samples, BARE, MODEL, [W16, W8])
    assert fit.node.batch_overhead_seconds == 0.0
    assert fit.estimates[-1].error_seconds is None
    assert min(estimate.seconds for estimate in fit.estimates) >= 0.0


def test_a_precision_may_be_faster_alone_and_slower_in_large_batches() -> None:
    # tokens per second at each batch size, 36M parameters, bf16 and 8-bit weights unpacked
    throughput = {
        "w16": {1: 93, 2: 168, 4: 286, 8: 438, 16: 613, 32: 832},
        "w8": {1: 165, 2: 253, 4: 366, 8: 439, 16: 486, 32: 568},
    }
    samples = [
        decode_sample(name, [64] * members, members / rate)
        for name, rates in throughput.items()
        for members, rate in rates.items()
    ]
    model = Model(layers=6, hidden_size=512, ffn_size=1536, heads=8)
    fit = fit_samples(samples, BARE, model, [W16, W8])
    assert fit.errors(samples).worst < 0.07

    def ratio(members: int) -> float:
        one = decode_sample("w8", [64] * members, 1.0)
        return fit.predict(one) / fit.predict(one.replace(precision="w16"))

    assert ratio(1) == pytest.approx(93 / 165, rel=0.1)
    assert ratio(32) == pytest.approx(832 / 568, rel=0.1)
    # one factor for all arithmetic cannot say both
    assert fit_published(samples, BARE, model, [W16, W8]).errors(samples).worst > 0.5


def test_the_published_form_finds_the_rate_of_a_machine_that_only_computes() -> None:
    slow = W8.replace(decode_factor=2.0, prefill_factor=2.0)
    seconds = prefill_flops(MODEL, 64.0) + decode_flops(MODEL, 64.0, 8.0)
    samples = [
        batch_sample("w16", [64] * members, [8] * members, members * seconds / 3e10)
        for members in (1, 4)
    ]
    samples += [each.replace(precision="w8", seconds=2.0 * each.seconds) for each in samples]
    fit = fit_published(samples, TRUE_NODE, MODEL, [W16, W8])
    assert fit.node.flops == pytest.approx(3e10)
    assert fit.node.memory_bandwidth is None
    assert fit.precisions[1].decode_factor == pytest.approx(slow.decode_factor)
    assert fit.errors(samples).worst < 1e-9


def test_weights_say_how_much_a_sample_counts() -> None:
    # the same pass took one second in one sample and two in another
    samples = [decode_sample("w16", [4], 1.0), decode_sample("w16", [4], 2.0)]
    first, second = (
        fit_samples(samples, BARE, MODEL, [W16], weights).predict(samples[0])
        for weights in ((1e6, 1.0), (1.0, 1e6))
    )
    assert first == pytest.approx(1.0, rel=1e-3)
    assert second == pytest.approx(2.0, rel=1e-3)


def test_precisions_and_samples_must_match() -> None:
    samples = [decode_sample("w16", [4], 1.0)]
    with pytest.raises(InputError, match="there is none in precision 'w8'"):
        fit_samples(samples, BARE, MODEL, [W16, W8])
    with pytest.raises(InputError, match="'w16' is not among"):
        fit_samples(samples, BARE, MODEL, [W8])
    with pytest.raises(InputError, match="'w4' is not among"):
        fit_samples(samples, BARE, MODEL, [W16]).predict(decode_sample("w4", [4], 1.0))


def test_a_single_sample_is_met_exactly_and_says_nothing_of_its_error() -> None:
    samples = [decode_sample("w16", [4], 2.0)]
    for fit in (
        fit_samples(samples, BARE, MODEL, [W16]),
        fit_published(samples, BARE, MODEL, [W16]),
    ):
        assert fit.predict(samples[0]) == pytest.approx(2.0, rel=1e-5)
        assert {estimate.error_seconds for estimate in fit.estimates} == {None}


def test_without_scipy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgebatch\[calibrate\]'"):
        fit_samples([decode_sample("w16", [4], 2.0)], BARE, MODEL, [W16])


def test_errors_are_figures_of_relative_differences() -> None:
    # a second a pass, whatever is in it
    fit = Fit(Node(1e9, 1e30, step_overhead_seconds=1.0), MODEL, (W16,))
    samples = [decode_sample("w16", [2], 1.0 / (1.0 + error)) for error in (0.0, 0.1, -0.2)]
    assert fit.relative_errors(samples) == pytest.approx([0.0, 0.1, -0.2])
    figures = fit.errors(samples)
    assert figures.count == 3
    assert (figures.median, figures.worst) == pytest.approx((0.1, 0.2))
    assert figures.p95 == pytest.approx(0.19)  # nine tenths of the way from 0.1 to 0.2


def test_errors_can_be_told_apart_by_group() -> None:
    samples = measured(0.02)
    fit = fit_samples(samples, BARE, MODEL, [W16, W8])
    by_size = errors_by(fit, samples, lambda sample: sample.size)
    assert list(by_size) == sorted({sample.size for sample in samples})
    assert sum(errors.count for errors in by_size.values()) == len(samples)


def test_the_verdict_judges_by_what_was_held_out() -> None:
    fitted = Errors(count=90, median=0.01, p95=0.02, worst=0.03)
    held_out = Errors(count=30, median=0.02, p95=0.051, worst=0.09)
    noise = Errors(count=30, median=0.015, p95=0.03, worst=0.04)
    published = Errors(count=30, median=0.62, p95=0.9, worst=0.99)
    alone = verdict(FitFigures(in_sample=fitted))
    assert alone == (
        "tells the times that it was fitted to within 2.0% in 95 of 100 cases "
        "(median error 1.0%, 90 samples)."
    )
    everything = FitFigures(
        in_sample=fitted, held_out=held_out, perfect_model=noise, published=published
    )
    assert verdict(everything) == (
        "tells times that it was not fitted to within 5.1% in 95 of 100 cases "
        "(median error 2.0%, 30 samples); a perfect model's median error would be 1.5%; "
        "the published form's median error is 62%."
    )
