// Prices by model: what a node's configuration asks for each of its models, as clients, operators and the scheduler see it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { type Client, client, refusalOf } from "./harness/client.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const CHEAP = "llama3:8b";
const DEAR = "llama3:70b";
const BEYOND = "qwen3";

let stage: Stage;
let coordinator: Instance;
let key: string;
let nodes: Instance[];
let backends: string[];

const api = (model: string): Client => client(() => coordinator.url, key, model);
const priced = (prices: string, base = "price_input = 100000\nprice_output = 200000") =>
  `[node]\nprobe = false\n${base}\nprices = ${prices}`;

beforeAll(async () => {
  stage = await openStage();
  const config = "[coordinator]\nprice_input_max = 1000000\nprice_output_max = 2500000\n";
  ({ coordinator, key } = await stage.coordinator(config));
  backends = [CHEAP, DEAR, BEYOND].map((model) => stage.backend({ model }).url);
  nodes = await Promise.all([
    stage.node(
      coordinator,
      backends,
      priced(
        `{ "llama3*" = { input = 250000, output = 500000 }, "${DEAR}" = { input = 1000000, output = 2500000 },
        qwen3 = { input = 0, output = 2500001 } }`.replaceAll("\n", " "),
      ),
    ),
    stage.node(coordinator, backends.slice(0, 2), priced("{}")),
  ]);
  await Promise.all([CHEAP, DEAR].map((model) => stage.served(coordinator, model, 2)));
});
afterAll(() => stage.close());

test("each model has its own, told as OpenRouter does, and a range over its nodes", async () => {
  const models = (await (await api(DEAR).get("/v1/models")).json()) as { data: object[] };
  expect(models.data).toMatchObject([
    {
      id: DEAR,
      pricing: { prompt: "0.0000001", completion: "0.0000002", request: "0", image: "0" },
      price_input: 100_000,
      price_input_max: 1_000_000,
      price_output: 200_000,
      price_output_max: 2_500_000,
    },
    { id: CHEAP, price_input: 100_000, price_input_max: 250_000, price_output: 200_000, price_output_max: 500_000 },
  ]);
  const { stdout } = await stage.run(coordinator, ["models", "list"]);
  expect(stdout).toMatch(/llama3:70b.*0\.10–1\.00.*0\.20–2\.50/);
  const page = await (await fetch(`${coordinator.url}/models/${encodeURIComponent(CHEAP)}`)).text();
  for (const range of ["$0.10", "up to $0.25", "$0.20", "up to $0.50"]) expect(page).toContain(range);
});

test("one out of the coordinator's bounds is not offered, and both operators are told which", async () => {
  expect(await refusalOf(await api(BEYOND).chat())).toMatchObject({ status: 404, code: "model_not_found" });
  const reason = "not offered: qwen3 (price_output is 2500001, and the most here is 2500000)";
  const status = await commandJson<Output<"status">>(stage.executable, nodes[0]?.dataDirectory ?? "", ["status"]);
  expect(status.coordinators[0]?.error).toContain(reason);
  expect(status.models.find(({ name }) => name === DEAR)).toMatchObject({ price_input: 1_000_000 });
  expect(coordinator.output()).toContain(reason);
});

test("max_price and the cheapest go by the model's price on each node", async () => {
  const who = async (model: string, provider: object) => {
    const response = await api(model).chat({ provider });
    await response.body?.cancel();
    return [response.status, response.headers.get("x-infernet-node")];
  };
  for (const model of [CHEAP, DEAR]) {
    const [status, node] = await who(model, { max_price: { prompt: 0.1, completion: "0.2" } });
    expect(status).toBe(200);
    for (let i = 0; i < 4; i++) expect(await who(model, { sort: "price" })).toEqual([200, node ?? null]);
  }
  expect((await who(DEAR, { max_price: { completion: 0.19 } }))[0]).toBe(404);
});

test("a node that is started again with another price asks for that", async () => {
  const node = nodes[1];
  if (!node) throw new Error("there is no second node");
  await node.kill9();
  const asked = { INFERNET_NODE_PRICES: JSON.stringify({ "*": { input: 7, output: 0 } }) };
  nodes[1] = await stage.start({ mode: "node", dataDirectory: node.dataDirectory, env: asked });
  await stage.served(coordinator, DEAR, 2);
  const model = (await (await api(DEAR).get(`/v1/models/${DEAR}`)).json()) as object;
  expect(model).toMatchObject({
    price_input: 7,
    price_output: 0,
    pricing: { prompt: "0.000000000007", completion: "0" },
  });
});
