import { expect, test } from "bun:test";
import { manualClock } from "../../lib/clock.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { createRegistry, type Registry } from "../../registry/registry.ts";
import { modelList, oneModel } from "./models.ts";

const CHANNEL = { send() {}, acknowledge() {}, close() {} };
const DEVICE = { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] };
const DETAILS = { context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 };
const key = (n: number): Pubkey => pubkeySchema.parse(n.toString(16).padStart(64, "0"));

function serve(registry: Registry, n: number, models: string[], price = 0, pool = "") {
  registry.place(key(n), { pool, maintenance: false, account: "local" });
  registry.attach(key(n), CHANNEL, {
    type: "ready",
    sig: "",
    name: `${n}`,
    device: DEVICE,
    backends: [{ kind: "openai", continues: false, healthy: true }],
    models: models.map((name) => ({ name, ...DETAILS, tasks: ["chat"], features: n === 1 ? ["tools"] : ["vision"] })),
    slots: 1,
    prices: { input: price, output: 2 * price },
    attempts: [],
  });
}
const ids = (...how: Parameters<typeof modelList>) => modelList(...how).data.map(({ id }) => id);

test("a model has what its nodes say between them, and the range of their prices", () => {
  const registry = createRegistry({ clock: manualClock() });
  serve(registry, 1, ["m"], 10);
  serve(registry, 2, ["m"], 30);
  expect(modelList(registry).data).toMatchObject([
    {
      id: "m",
      nodes: 2,
      tasks: ["chat"],
      features: ["tools", "vision"],
      price_input: 10,
      price_input_max: 30,
      price_output: 20,
      price_output_max: 60,
      pricing: { prompt: "0.00000000001", completion: "0.00000000002", request: "0", image: "0" },
    },
  ]);
});

test("what private nodes serve is seen by those who may use them, and by nobody else", async () => {
  const registry = createRegistry({ clock: manualClock() });
  serve(registry, 1, ["open"]);
  serve(registry, 2, ["secret", "open"], 0, "acme");
  serve(registry, 3, ["spare"], 0, "backstop");
  expect(ids(registry)).toEqual(["open", "spare"]);
  expect(ids(registry, { pools: ["globex"] })).toEqual(["open", "spare"]);
  expect(ids(registry, { pools: ["acme"] })).toEqual(["open", "secret", "spare"]);
  expect(modelList(registry).data[0]?.nodes).toBe(1);
  expect(oneModel(registry, "secret", {}).status).toBe(404);
  expect(oneModel(registry, "secret", { pools: ["acme"] }).status).toBe(200);
});

test("an alias is listed while one of its models is here, with those that are; not to other coordinators", async () => {
  const aliases = { "gpt-4o": ["away", "llama3"], nothing: ["away"], open: ["llama3"] };
  const registry = createRegistry({ clock: manualClock(), aliases: () => aliases });
  serve(registry, 1, ["llama3:latest", "open"]);
  const list = modelList(registry).data;
  expect(list.map(({ id, alias_for }) => [id, alias_for])).toEqual([
    ["gpt-4o", ["llama3:latest"]],
    ["llama3:latest", undefined],
    ["open", ["llama3:latest"]],
  ]);
  expect(ids(registry, { trail: { hops: 0, via: [] } })).toEqual(["llama3:latest", "open"]);
  const one = await oneModel(registry, "llama3", {}).json();
  expect(one).toMatchObject({ id: "llama3:latest" });
});
