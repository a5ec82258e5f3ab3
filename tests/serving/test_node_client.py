"""The official client for Node, unchanged, against a real gateway.

Needs ``EDGEBATCH_NODE_TESTS=1``, node and npm; fetches the package ``openai`` into a folder that is
thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serving.gateway_thread import GatewayThread

pytestmark = pytest.mark.skipif(
    os.environ.get("EDGEBATCH_NODE_TESTS") != "1"
    or shutil.which("node") is None
    or shutil.which("npm") is None,
    reason="needs EDGEBATCH_NODE_TESTS=1, node and npm",
)

SCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: "Say something." }];
const told = {};
told.models = (await client.models.list()).data.map((model) => model.id);
const whole = await client.chat.completions.create({
  model: "simulated", messages, max_tokens: 3,
});
told.whole = whole.choices[0].message.content;
told.usage = whole.usage.completion_tokens;
const stream = await client.chat.completions.create({
  model: "simulated", messages, max_completion_tokens: 4, stream: true,
  stream_options: { include_usage: true },
});
told.streamed = "";
for await (const chunk of stream) {
  told.streamed += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.edgebatch) told.deadline_met = chunk.edgebatch.deadline_met;
  if (chunk.usage) told.streamed_usage = chunk.usage.completion_tokens;
}
const { response } = await client.completions
  .create({ model: "", prompt: "Once", max_tokens: 2 }, { headers: { "x-slo-e2e-ms": "5000" } })
  .withResponse();
told.deadline_ms = response.headers.get("x-edgebatch-deadline-ms");
try {
  await client.completions.create({ model: "", prompt: "Once", max_tokens: 100, slo_e2e_ms: 500 });
} catch (error) {
  told.refused = [error.constructor.name, error.status, error.code];
}
const cancelled = await client.completions.create({
  model: "", prompt: "Once", max_tokens: 4000, slo_e2e_ms: 1e6, stream: true,
});
for await (const chunk of cancelled) break; // the client ends the connection
console.log(JSON.stringify(told));
"""


def test_the_node_client_asks_streams_and_understands_refusals(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"private": true}', encoding="utf-8")
    (tmp_path / "ask.mjs").write_text(SCRIPT, encoding="utf-8")
    install = ["npm", "install", "openai", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    with GatewayThread() as thread:
        told = asked(tmp_path, thread.url)
    assert told == {
        "models": ["simulated"],
        "whole": "1 2 3 ",
        "usage": 3,
        "streamed": "1 2 3 4 ",
        "streamed_usage": 4,
        "deadline_met": True,
        "deadline_ms": "5000.0",
        # 100 steps of 10 ms do not fit half a second
        "refused": ["UnprocessableEntityError", 422, "deadline_too_short"],
    }
    ends = {outcome.name: count for (outcome, _), count in thread.gateway.outcomes.items()}
    assert ends == {"IN_TIME": 3, "REJECTED": 1, "CANCELLED": 1}


def asked(folder: Path, url: str) -> Any:
    ended = subprocess.run(
        ["node", "ask.mjs", url], cwd=folder, check=True, capture_output=True, timeout=60
    )
    return json.loads(ended.stdout)
