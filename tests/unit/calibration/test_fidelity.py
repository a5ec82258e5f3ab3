"""How well forms tell the times of a machine that they were fitted to in part."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgebatch.calibration.fidelity import Fidelity, batch_size, group, measure_fidelity
from edgebatch.calibration.fit import Fit
from edgebatch.calibration.operator_tables import OperatorTables
from edgebatch.calibration.profile import Profile
from edgebatch.calibration.samples import Kind, Sample
from edgebatch.cli import fidelity as fidelity_command
from edgebatch.errors import CannotHostError, EdgebatchError, InputError
from edgebatch.presets import device_preset, model_preset
from edgebatch.problem import Model, Node, Precision
from operator_tables import CONTEXTS, PROMPTS, SIZES, write_tables

MODEL = Model(layers=4, hidden_size=8, ffn_size=16, heads=2)
W16 = Precision("w16", 2.0)
ROOMY = Node(1e9, 1.0)
REPOSITORY = Path(__file__).parents[3]
SHARED = Path(os.environ.get("EDGEBATCH_SHARED", REPOSITORY.parent / "shared"))
REAL = SHARED / "data" / "profiles" / "rtx4090_llama31_8b_bf16"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tables(tmp_path / "tables")


def of_small_machine(folder: Path, seed: int = 1, node: Node = ROOMY) -> Fidelity:
    tables = OperatorTables.read(folder, MODEL.layers)
    return measure_fidelity(tables, node, MODEL, W16, seed)


def levels(samples: tuple[Sample, ...], *, joining: bool) -> set[int]:
    return {member.tokens for each in samples for member in each.members if member.joins is joining}


def test_a_machine_of_constants_and_sums_is_told_exactly(folder: Path) -> None:
    fidelity = of_small_machine(folder)
    assert {group(sample) for sample in fidelity.held_out} == {
        "decode",
        "prefill",
        "prefill and decode",
        "whole batch",
    }
    assert fidelity.ours.errors(fidelity.held_out).worst < 1e-4
    assert fidelity.published.errors(fidelity.held_out).median > 0.2
    # a pass of 4 layers: 4·8 + 2 + 20 + 1 µs; a decoding member: 4·0.5 + 2; its context: 4·0.05
    estimates = {each.term: each.seconds * 1e6 for each in fidelity.ours.estimates}
    assert estimates["passes"] == pytest.approx(55.0, rel=1e-3)
    assert estimates["decode_steps"] == pytest.approx(4.0, rel=1e-3)
    assert estimates["contexts"] == pytest.approx(0.2, rel=1e-3)


def test_what_is_fitted_holds_half_the_levels_and_their_ends(folder: Path) -> None:
    fitted = of_small_machine(folder).fitted
    assert all(sample.kind is not Kind.BATCH for sample in fitted)
    for found, measured in (
        ({batch_size(sample) for sample in fitted}, SIZES),
        (levels(fitted, joining=True), PROMPTS),
        (levels(fitted, joining=False), CONTEXTS),
    ):
        assert found <= set(measured)
        assert len(found) == (len(measured) + 1) // 2
        assert {min(measured), max(measured)} <= found


def test_nothing_that_was_fitted_is_predicted_and_the_seed_decides_what(folder: Path) -> None:
    first, again, other = (of_small_machine(folder, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.fitted != other.fitted
    assert not {each.members for each in first.fitted} & {
        each.members for each in first.held_out if each.kind is not Kind.BATCH
    }


def test_batches_that_do_not_fit_the_memory_are_left_out(folder: Path) -> None:
    # 4 layers of 512 parameters of 2 bytes, 128 bytes a token: room for 300 tokens
    node = Node(4 * 512 * 2 + 300 * 128, 1.0)
    fidelity = of_small_machine(folder, node=node)
    everything = (*fidelity.fitted, *fidelity.held_out)
    tokens = [
        sum(member.tokens + member.passes for member in sample.members) for sample in everything
    ]
    assert max(tokens) <= 300
    assert len(everything) < len(of_small_machine(folder).fitted) + len(
        of_small_machine(folder).held_out
    )


def test_rows_of_nobody_are_no_passes(folder: Path) -> None:
    plain = of_small_machine(folder)
    with (folder / "attention.csv").open("a", encoding="utf-8") as table:
        table.write("0,0,0,0,1.0\n")  # nobody reads and nobody decodes
        table.write("40,0,0,8,1.0\n")  # a context of nobody's
    fidelity = of_small_machine(folder)
    assert len(fidelity.fitted) + len(fidelity.held_out) >= len(plain.fitted) + len(plain.held_out)


def test_tables_or_memory_that_leave_too_little_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="too few batch sizes and contexts"):
        of_small_machine(folder, node=Node(4 * 512 * 2 + 3 * 128, 1.0))
    with pytest.raises(CannotHostError, match="for its weights"):
        of_small_machine(folder, node=Node(1e3, 1.0))


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(fidelity_command.command)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_a_table_that_fits_and_writes_a_plot(
    folder: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.svg"
    shown = run(str(folder), "--model", "bloom-560m", "--plot", str(plot))
    assert max(map(len, shown.splitlines())) <= 80
    for label in ("whole batch", "batch of 16", "context 1–64", "Published", "memory_bandwidth"):
        assert label in shown
    assert plot.read_text(encoding="utf-8").startswith("<?xml")


def test_the_command_prints_json_with_both_forms(folder: Path) -> None:
    document = json.loads(run(str(folder), "--model", "bloom-560m", "--json"))
    assert document["errors"]["whole batch"]["ours"]["worst"] < 0.01
    assert document["errors"]["decode"]["published"]["median"] > 0.2
    assert (
        document["errors"]["all"]["ours"]["count"] > document["errors"]["decode"]["ours"]["count"]
    )
    assert document["node"]["flops"] > 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing",), "missing/attention.csv: cannot be read"),
        (("missing", "--model", "blom-560m"), "--model: unknown name 'blom-560m'; did you mean"),
        (("missing", "--device", "RTX 409"), "--device: unknown name 'RTX 409'; did you mean"),
        (("missing", "--plot", "plot.txt"), "--plot: must end in .png"),
        (("missing", "--weight-bytes", "0"), "weight_bytes: must be a finite number above 0"),
    ],
)
def test_the_command_refuses_bad_input(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(EdgebatchError) as caught:
        run(*arguments)
    assert said in str(caught.value)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no measurements in {REAL.name}")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_real_gpu_is_told_within_a_tenth(seed: int) -> None:
    model = model_preset("Llama-3.1-8B").model
    tables = OperatorTables.read(REAL, model.layers)
    fidelity = measure_fidelity(tables, device_preset("RTX 4090").node(), model, W16, seed)
    assert fidelity.ours.errors(fidelity.held_out).median < 0.1
    batches = [sample for sample in fidelity.held_out if sample.kind is Kind.BATCH]
    assert fidelity.ours.errors(batches).median < 0.05
    assert fidelity.ours.errors(batches).worst < 0.2
    assert fidelity.published.errors(batches).median > 0.5


def test_what_was_fitted_can_be_written_as_a_profile(folder: Path, tmp_path: Path) -> None:
    (folder / "meta.yaml").write_text(
        "vllm_version: 0.19.0\ncuda_version: '12.8'\ngpu: Toy GPU\n"
        "profiled_at: '2026-08-17T19:43:32+00:00'\nengine_effective:\n  load_format: dummy\n"
    )
    path = tmp_path / "profile.toml"
    run(str(folder), "--model", "bloom-560m", "--profile", str(path))
    profile = Profile.load(path)
    source = profile.source
    assert (source.engine, source.engine_version, source.date) == ("vllm", "0.19.0", "2026-08-17")
    assert (source.machine.processor, source.settings) == ("Toy GPU", {"cuda_version": "12.8"})
    assert [precision.name for precision in profile.precisions] == ["w16"]
    tables = OperatorTables.read(folder, profile.model.layers)
    node = device_preset("RTX 4090").node()
    fidelity = measure_fidelity(tables, node, profile.model, W16, 1)
    fit = Fit(profile.node, profile.model, profile.precisions)
    assert fit.errors(fidelity.held_out) == profile.fit.held_out
