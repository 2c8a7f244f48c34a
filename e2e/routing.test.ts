// Routing on the built executable: three nodes with scripted backends behind one coordinator, and requests that say where
// they want to go.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const COMMON = "common-model";
const OTHER = "other-model:latest";
const NAMES = ["alpha", "beta", "gamma"] as const;
type Name = (typeof NAMES)[number];

let stage: Stage;
let coordinator: Instance;
let key: string;
let backends: Record<Name, FaultBackend>;
/** A second backend of alpha, with a model of its own. */
let second: FaultBackend;
let keyOf: Record<Name, string>;
let nameOf: Map<string, Name>;

beforeAll(async () => {
  stage = await openStage();
  const config = `[aliases]\n"gpt-4o" = ["nowhere", "other-model"]\n[coordinator]\nregion = "eu-west"\n`;
  ({ coordinator, key } = await stage.coordinator(config));
  backends = {
    alpha: stage.backend({ model: COMMON, contextLength: 2_000 }),
    beta: stage.backend({ model: COMMON, contextLength: 4_000 }),
    gamma: stage.backend({ model: OTHER }),
  };
  second = stage.backend({ model: "alphas-own" });
  const of = (name: Name, more = "") => `[node]\nname = "${name}"\nslots = 4\n${more}`;
  await Promise.all([
    stage.node(coordinator, [backends.alpha.url, second.url], of("alpha", 'price_input = 200_000\nregion = "eu"')),
    stage.node(coordinator, [backends.beta.url], of("beta", 'price_input = 900_000\nregion = "us-east"')),
    stage.node(coordinator, [backends.gamma.url], of("gamma")),
  ]);
  await stage.served(coordinator, COMMON, 2);
  await stage.served(coordinator, OTHER, 1);
  await stage.served(coordinator, "alphas-own", 1);
  const { nodes } = await admin<"listNodes">("nodes", "list");
  nameOf = new Map(nodes.map(({ pubkey, name }) => [pubkey, name as Name]));
  keyOf = Object.fromEntries([...nameOf].map(([pubkey, name]) => [name, pubkey])) as Record<Name, string>;
});
afterEach(() => {
  for (const backend of [...Object.values(backends), second]) backend.script({ status: null, holdAfter: null });
});
afterAll(() => stage.close());

const admin = <N extends "listNodes" | "placeNode" | "createKey">(...args: string[]): Promise<Output<N>> =>
  commandJson<Output<N>>(stage.executable, coordinator.dataDirectory, args);

type Answer = {
  status: number;
  node: Name | undefined;
  model?: string;
  text?: string | undefined;
  error?: { message: string; param: string | null; code: string };
};
async function ask(
  more: object = {},
  { as = key, headers = {} }: { as?: string; headers?: Record<string, string> } = {},
) {
  const body = { model: COMMON, messages: [{ role: "user", content: "Hello?" }], ...more };
  const response = await fetch(`${coordinator.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${as}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as Pick<Answer, "model" | "error"> & {
    choices?: { message: { content: string } }[];
  };
  const answer: Answer = {
    status: response.status,
    node: nameOf.get(response.headers.get("x-infernet-node") ?? ""),
    ...(json.model === undefined ? {} : { model: json.model }),
    text: json.choices?.[0]?.message.content,
    ...(json.error === undefined ? {} : { error: json.error }),
  };
  return answer;
}
/** Who answered so many requests. */
async function who(count: number, ...how: Parameters<typeof ask>): Promise<Set<Name | undefined>> {
  const answers = [];
  for (let i = 0; i < count; i++) answers.push(await ask(...how));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  return new Set(answers.map(({ node }) => node));
}

describe("wishes", () => {
  test("only, ignore and order name nodes by name or by key", async () => {
    expect(await who(6, { provider: { only: ["alpha"] } })).toEqual(new Set(["alpha"]));
    expect(await who(6, { provider: { only: [keyOf.beta.slice(0, 12)] } })).toEqual(new Set(["beta"]));
    expect(await who(6, { provider: { ignore: ["ALPHA"] } })).toEqual(new Set(["beta"]));
    expect(await who(6, { provider: { order: ["nobody", "beta", "alpha"] } })).toEqual(new Set(["beta"]));
  });

  test("prices, sorting and regions choose among nodes", async () => {
    expect(await who(6, { provider: { max_price: { prompt: "0.2" } } })).toEqual(new Set(["alpha"]));
    expect(await who(6, { provider: { sort: "price" } })).toEqual(new Set(["alpha"]));
    // A round trip of no time at all is not plausible for another continent, and is for this one.
    await waitFor("round trips as short as this continent's", async () => {
      expect(await who(4, { infernet: { region: "eu" } })).toEqual(new Set(["alpha"]));
      return true;
    });
    // The first trip may have been a slow one.
    const us = async () => (await ask({ infernet: { region: "us" } })).error;
    const refused = await waitFor("a round trip too short for us-east", us);
    expect(refused).toMatchObject({ code: "no_matching_node", param: "infernet.region" });
  });

  test("what no node meets is said, with the wish that left none", async () => {
    const refused = async (more: object) => {
      const { status, error } = await ask(more);
      return [status, error?.code, error?.param];
    };
    expect(await refused({ provider: { only: ["nobody"] } })).toEqual([404, "no_matching_node", "provider.only"]);
    expect(await refused({ provider: { max_price: { prompt: 0.1 } } })).toEqual([
      404,
      "no_matching_node",
      "provider.max_price.prompt",
    ]);
    expect(await refused({ infernet: { pool: "acme" } })).toEqual([404, "no_matching_node", "infernet.pool"]);
  });

  test("what is no wish is refused by its name, and what is not known is let be", async () => {
    const refused = async (more: object) => {
      const { status, error } = await ask(more);
      return [status, error?.param];
    };
    expect(await refused({ provider: { order: "alpha" } })).toEqual([400, "provider.order"]);
    expect(await refused({ provider: { max_price: { prompt: -1 } } })).toEqual([400, "provider.max_price.prompt"]);
    expect(await refused({ infernet: { strategy: "luckiest" } })).toEqual([400, "infernet.strategy"]);
    expect(await refused({ infernet: { verification: "3" } })).toEqual([400, "infernet.verification"]);
    expect(
      (await ask({ provider: { unheard_of: 1, data_collection: "deny" }, infernet: { verification: "none" } })).status,
    ).toBe(200);
  });

  test("they are between client and coordinator: a backend sees nothing of them", async () => {
    await ask({ provider: { only: ["beta"] }, infernet: { session: "s" }, models: [OTHER] });
    const { body } = backends.beta.requests.at(-1) ?? { body: {} };
    expect(Object.keys(body)).not.toContain("provider");
    expect(Object.keys(body)).not.toContain("infernet");
    expect(Object.keys(body)).not.toContain("models");
  });
});

describe("models", () => {
  test("fall back in order to the first that is served, and the answer says to which", async () => {
    expect(await ask({ model: "nowhere", models: ["neither", OTHER, COMMON] })).toMatchObject({
      model: OTHER,
      node: "gamma",
    });
    expect(await ask({ model: undefined, models: ["nowhere", COMMON] })).toMatchObject({
      model: COMMON,
      text: PLAIN_TEXT,
    });
    const { status, error } = await ask({ model: "nowhere", models: ["neither"] });
    expect([status, error?.code]).toEqual([404, "model_not_found"]);
    expect(error?.message).toContain("none of nowhere, neither can serve");
  });

  test("a request too long for one goes to one with room, and to none where none has", async () => {
    const long = { messages: [{ role: "user", content: "x".repeat(32 * 3_000) }] };
    expect(await ask(long)).toMatchObject({ node: "beta" });
    const longer = { messages: [{ role: "user", content: "x".repeat(32 * 5_000) }] };
    const { status, error } = await ask(longer);
    expect([status, error?.code, error?.param]).toEqual([400, "context_length_exceeded", "messages"]);
    expect(error?.message).toMatch(/4000 tokens.*at least 5001/);
    expect(await ask({ ...longer, models: [OTHER] })).toMatchObject({ model: OTHER });
  });

  test("an alias stands for the first of its models that can serve, and is listed", async () => {
    expect(await ask({ model: "gpt-4o" })).toMatchObject({ model: OTHER, node: "gamma" });
    const response = await fetch(`${coordinator.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    const { data } = (await response.json()) as {
      data: { id: string; alias_for?: string[]; price_input_max: number }[];
    };
    expect(data.find(({ id }) => id === "gpt-4o")?.alias_for).toEqual([OTHER]);
    expect(data.find(({ id }) => id === COMMON)).toMatchObject({ price_input: 200_000, price_input_max: 900_000 });
  });

  test("a name without its tag means the latest, also of one model", async () => {
    expect(await ask({ model: "other-model" })).toMatchObject({ model: OTHER });
    const one = await fetch(`${coordinator.url}/v1/models/other-model`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect([one.status, ((await one.json()) as { id: string }).id]).toEqual([200, OTHER]);
  });

  test("after a model's attempts failed the next has its turn, unless fallbacks are not wanted", async () => {
    backends.alpha.script({ status: 500 });
    backends.beta.script({ status: 500 });
    expect(await ask({ models: [OTHER] })).toMatchObject({ status: 200, model: OTHER, node: "gamma" });
    const { status } = await ask({ models: [OTHER], provider: { allow_fallbacks: false } });
    expect(status).toBe(502);
  });
});

test("a session stays at its node; another may be elsewhere", async () => {
  // Whatever failed before is good again when it has answered.
  await waitFor("both nodes to serve again", async () => {
    for (const name of ["alpha", "beta"]) await ask({ provider: { only: [name] } });
    return (await who(8)).size === 2;
  });
  for (const name of ["one", "two", "three"]) {
    expect((await who(8, {}, { headers: { "x-session-id": name } })).size).toBe(1);
    expect((await who(4, { infernet: { session: name } })).size).toBe(1);
  }
  const metrics = await (await fetch(`${coordinator.url}/metrics`)).text();
  expect(Number(/infernet_affinity_total\{by="session"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThan(20);
});

test("a conversation returns to the node that has its beginning, known by its messages alone", async () => {
  const story = (n: number) => `Once upon a time, story ${n}. ${"It was a long one. ".repeat(30)}`;
  for (let n = 0; n < 4; n++) {
    const messages = [{ role: "user", content: story(n) }];
    const first = await ask({ messages });
    for (let turn = 0; turn < 4; turn++) {
      messages.push({ role: "assistant", content: PLAIN_TEXT }, { role: "user", content: `and then, ${turn}?` });
      expect((await ask({ messages })).node).toBe(first.node as Name);
    }
  }
});

test("one model that fails on a node is given elsewhere, and the node's others stay", async () => {
  backends.alpha.script({ status: 500 });
  // Until alpha was tried and failed.
  await waitFor("alpha to fail", async () => (await ask({ provider: { order: ["alpha"] } })).node === "beta");
  const before = backends.alpha.requests.length;
  // At once: it is tried again after two seconds.
  const meanwhile = await Promise.all(Array.from({ length: 4 }, () => ask()));
  expect(meanwhile.map(({ node }) => node)).toEqual(Array(4).fill("beta"));
  expect(backends.alpha.requests.length).toBe(before);
  expect((await ask({ model: "alphas-own" })).node).toBe("alpha");
  await waitFor("the breaker to be told of", async () =>
    /infernet_breakers\{state="open"\} 1/.test(await (await fetch(`${coordinator.url}/metrics`)).text()),
  );
  // It is asked again in time, by one job, and its success closes the breaker.
  backends.alpha.script({ status: null });
  await waitFor("alpha to serve again", async () => (await ask()).node === "alpha");
});

test("a node under maintenance has no new work, and work again after it", async () => {
  const place = (wanted: string) => admin<"placeNode">("nodes", "maintenance", "alpha", wanted);
  expect(await place("on")).toMatchObject({ maintenance: true });
  expect(await who(6)).toEqual(new Set(["beta"]));
  const { status, error } = await ask({ model: "alphas-own" });
  expect([status, error?.code]).toEqual([503, "no_nodes_online"]);
  expect((await admin<"listNodes">("nodes", "list")).nodes.find(({ name }) => name === "alpha")).toMatchObject({
    online: true,
    maintenance: true,
  });
  await place("off");
  expect((await ask({ model: "alphas-own" })).status).toBe(200);
});

test("pools: a private node serves its own only, they come to it first, and a backstop waits for need", async () => {
  const { key: member } = await admin<"createKey">("keys", "create", "member", "--pool", "acme");
  await admin("nodes", "pool", "beta", "acme");
  expect(await who(6)).toEqual(new Set(["alpha"]));
  expect(await who(6, {}, { as: member })).toEqual(new Set(["beta"]));
  expect(await who(3, { infernet: { pool: "public" } }, { as: member })).toEqual(new Set(["alpha"]));
  await admin("nodes", "pool", "gamma", "acme");
  const hidden = await ask({ model: OTHER });
  expect([hidden.status, hidden.error?.code]).toEqual([404, "model_not_found"]);
  // Nor is it named among those there are.
  expect(hidden.error?.message.split("there are:")[1]).not.toContain(OTHER);
  expect((await ask({ model: OTHER }, { as: member })).node).toBe("gamma");

  await admin("nodes", "pool", "beta", "backstop");
  expect(await who(6)).toEqual(new Set(["alpha"]));
  await admin("nodes", "maintenance", "alpha", "on");
  expect(await who(3)).toEqual(new Set(["beta"]));
  await admin("nodes", "maintenance", "alpha", "off");
  await admin("nodes", "pool", "beta", "public");
  await admin("nodes", "pool", "gamma", "public");
});
