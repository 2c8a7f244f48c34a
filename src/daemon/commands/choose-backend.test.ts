import { expect, test } from "bun:test";
import type { ModelOffer } from "../../protocol/frames.ts";
import { chooseBackend } from "./choose-backend.ts";
import { ALL_ACTIONS, scriptedActions } from "./testing/command-stage.ts";

const offer = (name: string, backend: number): ModelOffer => ({
  name,
  context_length: null,
  digest: null,
  loaded: null,
  quantization: null,
  demo: false,
  backend,
});
const embedded = scriptedActions([], "embedded").backend;
const swap = scriptedActions(["model_load", "model_unload"], "llamacpp").backend;
const ollama = scriptedActions(ALL_ACTIONS).backend;
const backends = [embedded, swap, ollama];
const well = backends.map(({ kind }) => ({ kind, continues: false, healthy: true }));

test("an install goes to the first that can, those that are well before others", () => {
  expect(chooseBackend(backends, { models: [], backends: well }, "model_install", "m")).toMatchObject({
    value: { backend: ollama },
  });
  const second = scriptedActions(ALL_ACTIONS).backend;
  const ill = [...well.slice(0, 2), { kind: "ollama", continues: false, healthy: false } as const, ...well.slice(2)];
  const four = [...backends, second];
  expect(chooseBackend(four, { models: [], backends: ill }, "model_install", "m")).toMatchObject({
    value: { backend: second },
  });
});

test("the rest goes to the one that has the model, else to the first that can", () => {
  const models = [offer("a", 2), offer("b", 1)];
  const choose = (command: "model_load" | "model_remove", model: string) =>
    chooseBackend(backends, { models, backends: well }, command, model);
  expect(choose("model_load", "a")).toMatchObject({ value: { backend: ollama } });
  expect(choose("model_load", "b")).toMatchObject({ value: { backend: swap } });
  expect(choose("model_remove", "unheard-of")).toMatchObject({ value: { backend: ollama } });
});

test("what has the model and cannot is named, and nobody else touches it", () => {
  const models = [offer("b", 1)];
  expect(chooseBackend(backends, { models, backends: well }, "model_remove", "b")).toEqual({
    ok: false,
    error: "the llamacpp backend, which has b, does not remove models",
  });
  expect(chooseBackend([embedded], { models: [], backends: [] }, "model_install", "b")).toEqual({
    ok: false,
    error: "no backend of this node (embedded) can install models",
  });
  expect(chooseBackend([], { models: [], backends: [] }, "model_unload", "b")).toEqual({
    ok: false,
    error: "this node has no backend, so it cannot unload models",
  });
});
