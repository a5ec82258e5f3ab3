"""Trains the small Llama that ships with the package, on two cores, in a few minutes.

    python benchmarks/small_model/train.py --to FOLDER [--install]

leaves a Hugging Face folder and prints the perplexity of the held-out text beside that of a model
that only knows how frequent tokens are. ``--install`` also exports it into the package.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from corpus import Corpus, Document, read_corpus
from numpy.typing import NDArray
from tokens import END, train_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CONTEXT = 2048
LAYERS = 3
HIDDEN = 192
FFN = 384
HEADS = 3
KV_HEADS = 1
LONG_SEQUENCE = 1024
TOKENS_PER_STEP = 8192
# up to which part of training sequences have which length; short ones cost less attention
LENGTHS = {0.6: 256, 0.85: 512, 1.0: LONG_SEQUENCE}
PEAK_RATE = 0.006
WEIGHT_DECAY = 0.05

Tokens = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--install", action="store_true", help="export it into the package")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(2)

    corpus = read_corpus(arguments.seed)
    tokenizer = train_tokenizer((document.text for document in corpus.training), CONTEXT)
    training = _encode(tokenizer, corpus.training)
    held_out = _encode(tokenizer, corpus.held_out)
    print(f"{len(training):,} tokens to train on, {len(held_out):,} held out")

    model = _untrained(tokenizer.eos_token_id)
    print(f"{model.num_parameters():,} parameters")
    start = time.perf_counter()
    _train(model, training, arguments.steps, arguments.seed)
    print(f"trained for {arguments.steps} steps in {time.perf_counter() - start:.0f} s")
    _print_perplexity("held-out perplexity", _losses(model, held_out))
    _print_perplexity("that of a unigram model", _unigram_losses(training, held_out))

    model.half().save_pretrained(arguments.to)
    tokenizer.save_pretrained(arguments.to)
    _write_held_out(arguments.to / "heldout.txt", corpus)
    if arguments.install:
        from install import install

        install(arguments.to)


def _write_held_out(path: Path, corpus: Corpus) -> None:
    path.write_text("\n\n".join(document.text for document in corpus.held_out) + "\n", "utf-8")


def _as_text(document: Document) -> str:
    """Return a short document as an answer to who asks for it, so that chats look familiar."""
    if len(document.text) > 2000:
        return document.text + END
    return f"<|user|>Explain {document.title}.{END}<|assistant|>{document.text}{END}"


def _encode(tokenizer: Any, documents: list[Document]) -> Tokens:
    texts = [_as_text(document) for document in documents]
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return np.concatenate([np.asarray(ids, dtype=np.int64) for ids in encoded])


def _untrained(end: int) -> LlamaForCausalLM:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=2048,
        hidden_size=HIDDEN,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def _train(model: LlamaForCausalLM, training: Tokens, steps: int, seed: int) -> None:
    """Train with Muon for the matrices of the layers, with AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if "layers" in name and p.ndim == 2]
    others = [p for name, p in model.named_parameters() if "layers" not in name or p.ndim != 2]
    optimisers = [
        torch.optim.Muon(
            matrices, lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
        for optimiser in optimisers
    ]
    model.train()
    for step, batch in enumerate(_batches(training, steps, seed)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), batch[:, 1:].flatten()
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    model.eval()


def _rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 30, (steps - step) / (0.6 * steps))


def _batches(tokens: Tokens, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield sequences from random places, longer ones towards the end of training."""
    random = np.random.default_rng(seed)
    for step in range(steps):
        length = next(length for part, length in LENGTHS.items() if step < part * steps)
        starts = random.integers(0, len(tokens) - length, size=TOKENS_PER_STEP // length)
        yield torch.from_numpy(np.stack([tokens[at : at + length + 1] for at in starts]))


def _losses(model: LlamaForCausalLM, tokens: Tokens) -> list[float]:
    """Return the mean loss of every stretch of ``LONG_SEQUENCE`` tokens."""
    losses = []
    for at in range(0, len(tokens) - LONG_SEQUENCE - 1, LONG_SEQUENCE):
        ids = torch.from_numpy(tokens[at : at + LONG_SEQUENCE + 1])
        with torch.inference_mode():
            logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0]
        losses.append(float(torch.nn.functional.cross_entropy(logits, ids[1:])))
    return losses


def _unigram_losses(training: Tokens, tokens: Tokens) -> list[float]:
    counts = np.bincount(training, minlength=2048) + 1.0
    losses = -np.log(counts / counts.sum())[tokens]
    whole = len(tokens) // LONG_SEQUENCE * LONG_SEQUENCE
    return [float(loss) for loss in losses[:whole].reshape(-1, LONG_SEQUENCE).mean(axis=1)]


def _print_perplexity(name: str, losses: list[float]) -> None:
    """Print it with its standard error, by the scatter of the stretches' mean losses."""
    perplexity = math.exp(np.mean(losses))
    error = perplexity * np.std(losses, ddof=1) / math.sqrt(len(losses))
    print(f"{name}: {perplexity:.1f} ± {error:.1f}")


if __name__ == "__main__":
    main()
