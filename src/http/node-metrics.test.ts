import { expect, test } from "bun:test";
import { nodeMetrics } from "./node-metrics.ts";

test("a node's figures are as they are when they are read, in Prometheus' format", async () => {
  const ended = new Map([["completed", 2]]);
  const figures = {
    ended,
    promptTokens: 10,
    completionTokens: 5,
    running: 1,
    slots: 4,
    models: 3,
    backends: [
      { kind: "ollama", url: "http://127.0.0.1:11434", healthy: true },
      { kind: "embedded", url: null, healthy: false },
    ],
    coordinators: [{ label: "https://c.example", state: "connected" }],
    version: "1",
  };
  const metrics = nodeMetrics(() => figures);
  await metrics.render();
  ended.set("completed", 3).set("failed", 1);
  figures.coordinators = [{ label: "https://c.example", state: "refused" }];
  const lines = (await metrics.render()).split("\n").filter((line) => !/^#|^$|resident/.test(line));
  expect(lines).toEqual([
    'infernet_node_attempts_total{outcome="completed"} 3',
    'infernet_node_attempts_total{outcome="failed"} 1',
    'infernet_node_tokens_total{direction="input"} 10',
    'infernet_node_tokens_total{direction="output"} 5',
    "infernet_node_running 1",
    "infernet_node_slots 4",
    "infernet_node_models 3",
    'infernet_node_backend_up{backend="0",kind="ollama",url="http://127.0.0.1:11434"} 1',
    'infernet_node_backend_up{backend="1",kind="embedded",url=""} 0',
    'infernet_node_link_state{coordinator="https://c.example",state="refused"} 1',
    'infernet_build_info{version="1"} 1',
  ]);
});
