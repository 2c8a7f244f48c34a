// The embedded engine for real, and Ollama's stand-in; e2e/real-ollama.test.ts puts the real one through the same.
import { afterAll, beforeAll } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DEMO_MODEL } from "./embedded/demo-model.ts";
import { type EmbeddedBackend, embedded } from "./embedded/embedded.ts";
import { ollama } from "./ollama/ollama.ts";
import { type OllamaStandIn, ollamaStandIn, STAND_IN } from "./ollama/testing/stand-in.ts";
import { conformance } from "./testing/conformance.ts";

let folder = "";
let engine: EmbeddedBackend;
let standIn: OllamaStandIn;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "infernet-conformance-"));
  const command = [process.execPath, path.join(import.meta.dir, "embedded/testing/engine-entry.ts")];
  engine = embedded({ command, cacheDir: folder });
  standIn = ollamaStandIn();
});
afterAll(async () => {
  await engine.close();
  await standIn.stop();
  await rm(folder, { recursive: true, force: true });
});

conformance("embedded", () => ({
  backend: engine,
  model: DEMO_MODEL.name,
  embedder: DEMO_MODEL.name,
  question: "what is infernet?",
  prompt: "<|im_start|>user\nwhat is infernet?<|im_end|>\n<|im_start|>assistant\n",
  contextLength: DEMO_MODEL.contextLength,
}));

conformance("Ollama's stand-in", () => ({
  backend: ollama({ url: standIn.url }),
  model: STAND_IN.model,
  embedder: STAND_IN.embedder,
  question: "what is it?",
  prompt: `user: what is it?\nassistant: `,
  contextLength: STAND_IN.contextLength,
}));
