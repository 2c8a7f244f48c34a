// What admins govern, on the real routes: what they are shown, what it costs with many nodes, and that acts count.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSetupLink } from "../accounts/first-admin.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { newNode } from "../registry/node.ts";
import type { Node, Offer } from "../registry/registry.ts";
import { changesOf } from "./audit/details.ts";
import { auditWatch } from "./audit/watch.ts";
import { nodeTiles } from "./overview/tiles.ts";
import { type PriceRow, rowsAsFields, rowsOf } from "./settings/price-rows.ts";
import { pricesIn, ROWS } from "./settings/typed.ts";

let on: CoordinatorStage;
let cookie: string;
let csrf: string;
const HOSTILE = `"><script>alert(1)</script>\u202e`;

beforeAll(async () => {
  const aliases = { "gpt-4o": ["llama3"], [HOSTILE]: [HOSTILE] };
  on = await coordinatorStage({ aliases, dashboard: { mode: "both" } });
  const setup = await createSetupLink(on.human.people);
  if (!setup.ok) throw new Error(setup.error);
  const secret = setup.value.link.slice(setup.value.link.indexOf("#") + 1);
  const answer = await fetch(`${on.server.url}/api/v1/auth/setup`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: HOSTILE, email: "ada@example.org", password: "correct horse battery", secret }),
  });
  csrf = ((await answer.json()) as { csrf_token: string }).csrf_token;
  cookie = answer.headers
    .getSetCookie()
    .map((one) => one.slice(0, one.indexOf(";")))
    .join("; ");
});
afterAll(() => on[Symbol.asyncDispose]());

const get = async (path: string) => {
  const answer = await fetch(on.server.url + path, { headers: { cookie } });
  return { status: answer.status, text: await answer.text() };
};
const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  postForm(path, new URLSearchParams(fields), headers);
const postForm = (path: string, fields: URLSearchParams, headers: Record<string, string> = {}) =>
  fetch(on.server.url + path, {
    method: "POST",
    redirect: "manual",
    headers: { cookie, "x-csrf-token": csrf, "content-type": "application/x-www-form-urlencoded", ...headers },
    body: fields.toString(),
  });
const HTMX = { "hx-request": "true", "hx-request-type": "partial" };

test("strangers' names do nothing in any of the pages", async () => {
  const { node } = on.node(1, { models: [HOSTILE] });
  if (node) node.name = HOSTILE;
  await post("/admin/settings/coordinator.queue_limit", { value: "9" });
  for (const path of ["/admin", "/admin/models", "/admin/settings", "/admin/audit"]) {
    const { status, text } = await get(path);
    expect([path, status]).toEqual([path, 200]);
    expect([path, text.includes("<script>alert")]).toEqual([path, false]);
    expect([path, text.includes("\u202e")]).toEqual([path, path === "/admin/models"]);
  }
});

test("without script a setting is saved by its form, and what is wrong stands beside what was typed", async () => {
  const path = "/admin/settings/coordinator.queue_timeout_s";
  const saved = await post(path, { value: "12" });
  expect([saved.status, saved.headers.get("location")]).toEqual([
    303,
    "/admin/settings#set-coordinator-queue_timeout_s",
  ]);
  expect((await get("/admin/settings")).text).toMatch(/id="set-coordinator-queue_timeout_s-field"[^>]*value="12"/);
  const wrong = await post(path, { value: "<soon>" });
  const page = await wrong.text();
  expect([wrong.status, page.includes("an integer from 1 to 86400"), page.includes('value="&lt;soon&gt;"')]).toEqual([
    422,
    true,
    true,
  ]);
  const back = await post(`${path}?reset=1`, {}, HTMX);
  expect(back.headers.get("hx-trigger")).toContain("Longest wait for a slot: 300 seconds");
  expect(await back.text()).toContain('<hx-partial hx-target="#set-coordinator-queue_timeout_s"');
});

test("money is typed in dollars and a share in percent, exactly, and Undo brings back what was", async () => {
  const path = (key: string) => `/admin/settings/${key}`;
  const value = async (key: string) => {
    const listed = await on.dashboard.admin.listSettings({});
    return listed.ok ? listed.value.settings.find((row) => row.key === key)?.value : null;
  };
  const [price, fee] = ["coordinator.price_output_max", "billing.fee_bps"];
  expect((await post(path(price), { value: "2.000001" }, HTMX)).status).toBe(200);
  const dearer = await post(path(price), { value: "$3" }, HTMX);
  expect(await value(price)).toBe(3_000_000);
  const { toast } = JSON.parse(dearer.headers.get("hx-trigger") ?? "{}") as { toast: { text: string; undo: string } };
  expect(toast.text).toBe("Highest output price: $3.00 per million tokens");
  expect((await post(toast.undo, {}, HTMX)).status).toBe(200);
  expect(await value(price)).toBe(2_000_001);
  expect((await post(path(fee), { value: "12.5" }, HTMX)).status).toBe(200);
  expect(await value(fee)).toBe(1_250);
  for (const [key, typed, words] of [
    [price, "0.0000001", "Must be $0.00 to $1"],
    [price, "many", "in steps of $0.000"],
    [fee, "101", "Must be 0 to 100 %, in steps of 0.01"],
  ] as const) {
    const wrong = await post(path(key), { value: typed }, HTMX);
    expect([wrong.status, await wrong.text()]).toEqual([422, expect.stringContaining(words)]);
  }
  expect([await value(price), await value(fee)]).toEqual([2_000_001, 1_250]);
  for (const key of [price, fee]) await post(`${path(key)}?reset=1`, {}, HTMX);
});

test("a list is typed one entry a line", async () => {
  const path = "/admin/settings/node.schedule";
  const saved = await post(path, { value: "mon-fri 18:00-08:00\r\n sat,sun \r\n" }, HTMX);
  expect([saved.status, await saved.text()]).toEqual([
    200,
    expect.stringContaining("mon-fri 18:00-08:00\nsat,sun</textarea>"),
  ]);
  const wrong = await post(path, { value: "someday" }, HTMX);
  expect([wrong.status, await wrong.text()]).toEqual([422, expect.stringContaining("someday</textarea>")]);
  await post(`${path}?reset=1`, {}, HTMX);
});

describe("prices of single models", () => {
  const path = "/admin/settings/node.prices";
  const prices = async () => {
    const listed = await on.dashboard.admin.listSettings({});
    return pricesIn(listed.ok ? listed.value.settings.find(({ key }) => key === "node.prices")?.value : null);
  };
  const send = (rows: readonly PriceRow[], headers: Record<string, string> = HTMX) =>
    postForm(path, rowsAsFields(rows, ROWS), headers);
  const NEW = { former: "", name: "", input: "", output: "" };
  const undoOf = (answer: Response) =>
    (JSON.parse(answer.headers.get("hx-trigger") ?? "{}") as { toast: { text: string; undo?: string } }).toast;

  test("are a row each, with empty ones for more; without script they are saved by the form", async () => {
    const saved = await send([{ ...NEW, name: HOSTILE, input: "0.1", output: "2" }, NEW], {});
    expect([saved.status, saved.headers.get("location")]).toEqual([303, "/admin/settings#set-node-prices"]);
    expect(await prices()).toEqual({ [HOSTILE]: { input: 100_000, output: 2_000_000 } });
    const { text } = await get("/admin/settings");
    expect(text).not.toContain("<script>alert");
    expect(text.match(/name="row\.name"/g)).toHaveLength(4);
    expect((await send(rowsOf(await prices()).map((row) => ({ ...row, name: "" })))).status).toBe(200);
    expect(await prices()).toEqual({});
  });

  test("that are wrong come back as they were typed, each fault at its field, with script and without", async () => {
    const rows = [
      { ...NEW, name: "llama3", input: "cheap", output: "1" },
      { ...NEW, name: "a*b", input: "1", output: "1" },
    ];
    for (const headers of [HTMX, {}]) {
      const wrong = await send(rows, headers);
      const text = await wrong.text();
      expect(wrong.status).toBe(422);
      expect(text).toMatch(/id="set-node-prices-field-0-input"[^>]*value="cheap"[^>]*aria-invalid="true"/);
      expect(text).toMatch(/id="set-node-prices-field-1-name"[^>]*value="a\*b"[^>]*aria-invalid="true"/);
      expect(text).toContain('href="#set-node-prices-field-0-input"');
      expect(text.match(/aria-invalid/g)).toHaveLength(2);
    }
    expect(await prices()).toEqual({});
  });

  test("are many: one is changed, undone by itself, and told in the audit log", async () => {
    const many = Array.from({ length: 500 }, (_, i) => ({ ...NEW, name: `模型 ${i}`, input: "1", output: "2" }));
    expect((await send(many)).status).toBe(200);
    const before = await prices();
    const changed = await send(rowsOf(before).map((row) => (row.name === "模型 7" ? { ...row, input: "3" } : row)));
    const { text, undo = "" } = undoOf(changed);
    expect([text, undo.length < 400]).toEqual(["Prices of single models: 500 entries", true]);
    // Somebody else's change in between stays.
    await send([{ ...NEW, name: "other", input: "4", output: "4" }]);
    expect((await post(undo, {}, HTMX)).status).toBe(200);
    expect(await prices()).toEqual({ ...before, other: { input: 4_000_000, output: 4_000_000 } });
    const log = (await get("/admin/audit?action=settings")).text;
    expect(log).toContain("$3.00 / $2.00");
    await post(`${path}?reset=1`, {}, HTMX);
  });

  test("more than there may be are refused, and stay typed", async () => {
    const many = Array.from({ length: 1025 }, (_, i) => ({ ...NEW, name: `m${i}`, input: "1", output: "2" }));
    const wrong = await send(many);
    const text = await wrong.text();
    expect([wrong.status, text.includes("Has more than 1024 entries"), text.includes('value="m1024"')]).toEqual([
      ...[422, true, true],
    ]);
  });
});

test("choices are shown by what they are called, with what each does", async () => {
  const path = "/admin/settings/accounts.signup";
  const { text } = await get("/admin/settings");
  expect(text).toMatch(/type="radio" name="value" value="invite" checked=""[^>]*>\s*<span>By invitation/);
  expect(text).toContain("Only with a link that an admin made.");
  const closed = await post(path, { value: "closed" }, HTMX);
  expect(closed.headers.get("hx-trigger")).toContain("Sign-up: Nobody");
  expect((await get("/admin/audit?action=settings")).text).toContain("from By invitation to Nobody");
  const wrong = await post(path, { value: "whoever" }, HTMX);
  expect([wrong.status, (await wrong.text()).includes("is not allowed")]).toEqual([422, true]);
  await post(`${path}?reset=1`, {}, HTMX);
});

test("several choices are boxes to tick; none of them is a choice, too", async () => {
  const path = "/admin/settings/node.allow_commands";
  const value = async () => {
    const listed = await on.dashboard.admin.listSettings({});
    return listed.ok ? listed.value.settings.find(({ key }) => key === "node.allow_commands")?.value : null;
  };
  const chosen = await postForm(path, new URLSearchParams("value=&value=drain&value=configure"), HTMX);
  expect(await chosen.text()).toMatch(/type="checkbox" name="value" value="configure" checked=""/);
  expect(await value()).toEqual(["drain", "configure"]);
  const { toast } = JSON.parse((await post(path, { value: "" }, HTMX)).headers.get("hx-trigger") ?? "{}") as {
    toast: { text: string; undo: string };
  };
  expect([toast.text, await value()]).toEqual(["Allowed commands: none", []]);
  await post(toast.undo, {}, HTMX);
  expect(await value()).toEqual(["drain", "configure"]);
  await post(`${path}?reset=1`, {}, HTMX);
});

test("what is not there, or is read at the start only, is not changed", async () => {
  expect((await post("/admin/settings/nothing.here", { value: "1" })).status).toBe(404);
  const start = await post("/admin/settings/server.port", { value: "1" }, HTMX);
  expect(start.status).toBe(422);
  expect((await post("/admin/models/aliases/delete", { name: "nobody" })).status).toBe(404);
});

test("aliases are one setting, whoever changes them", async () => {
  expect((await post("/admin/models/aliases", { name: "x", models: "a\r\n b \r\n\r\na" }, HTMX)).status).toBe(200);
  const listed = await on.dashboard.admin.listSettings({});
  const aliases = listed.ok ? listed.value.settings.find(({ key }) => key === "aliases")?.value : null;
  expect(aliases).toEqual({ "gpt-4o": ["llama3"], [HOSTILE]: [HOSTILE], x: ["a", "b"] });
  for (const [fields, words] of [
    [{ name: "", models: "a" }, "Give it a name"],
    [{ name: "y", models: " \n " }, "Name one model"],
    [{ name: "y", models: "y" }, "stand for itself"],
    [{ name: "x", models: "c" }, "an alias of this name"],
  ] as const) {
    const wrong = await post("/admin/models/aliases", fields, HTMX);
    expect([wrong.status, await wrong.text()]).toEqual([422, expect.stringContaining(words)]);
  }
});

test("the audit log goes out as it was hashed, by the filter of the page", async () => {
  const { text } = await get("/admin/audit/export?action=settings");
  const rows = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; action: string; before: string; previous: string });
  expect(rows.length).toBeGreaterThan(2);
  expect(rows.every(({ action }) => action === "settings.changed")).toBe(true);
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq).toSorted((a, b) => a - b));
  expect(rows[0]).toMatchObject({ before: "256", previous: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test("a look at the audit log is one for all who ask, and a mistyped head alarms nobody else", async () => {
  let looks = 0;
  const gate = Promise.withResolvers<void>();
  const broken = { seq: 1, what: "replaced", message: "row 1 is another" };
  const admin = {
    async verifyAudit() {
      looks++;
      await gate.promise;
      return { ok: true as const, value: { entries: 1, head: { seq: 1, hash: "" as never }, broken } };
    },
  };
  const watch = auditWatch({ admin, clock: on.clock });
  const both = [watch.look(null), watch.look({ seq: 1, hash: "aa" })];
  expect(watch.state().runningMs).not.toBeNull();
  gate.resolve();
  await Promise.all(both);
  expect([looks, watch.state().last?.broken?.seq, watch.last().broken]).toEqual([1, 1, null]);
});

test("tiles show a few that are in trouble, then the busiest, out of many", () => {
  const nodes = new Map<Pubkey, Node>();
  const channel = { send() {}, acknowledge() {}, close() {} };
  const offers = [{ model: "m" } as Offer];
  for (let i = 0; i < 10_000; i++) {
    const pubkey = i.toString(16).padStart(64, "0") as Pubkey;
    const more = i % 10 === 0 ? { channel: null, lastSeenMs: i } : { channel, accepting: true };
    nodes.set(pubkey, { ...newNode(pubkey), slots: 9_999, running: (i * 7919) % 9_973, offers, ...more } as Node);
  }
  const suspect = nodes.get("5".padStart(64, "0") as Pubkey);
  if (suspect) suspect.suspectUntilMs = 10;
  const { tiles, counts, total } = nodeTiles({ nodes }, { node: () => undefined }, 0);
  expect(tiles).toHaveLength(12);
  expect(tiles.slice(0, 4).map(({ state }) => state)).toEqual(["suspect", "offline", "offline", "offline"]);
  const busy = tiles.slice(4).map(({ running }) => running);
  expect(busy).toEqual(
    [...nodes.values()]
      .filter((node) => node.channel !== null && node !== suspect)
      .map(({ running }) => running)
      .toSorted((a, b) => b - a)
      .slice(0, 8),
  );
  expect([counts.offline, counts.suspect, total]).toEqual([1_000, 1, 10_000]);
});

test("a change is told by what differs", () => {
  expect(changesOf(256, 3)).toEqual([{ name: "", before: "256", after: "3" }]);
  expect(changesOf(null, null)).toEqual([]);
  expect(changesOf({ a: 1, b: 2 }, { a: 1, b: 3, c: [] })).toEqual([{ name: "b", before: "2", after: "3" }]);
  expect(changesOf("pending", { role: "provider" })).toEqual([
    { name: "was", before: "pending", after: null },
    { name: "role", before: null, after: "provider" },
  ]);
  expect(changesOf([["gpt-4o", ["a", "b"]]], [["gpt-4o", ["b"]]])).toEqual([
    { name: "gpt-4o", before: "a, b", after: "b" },
  ]);
  expect(changesOf([], [["llama3", { input: 1_000_000, output: 2 }]])).toEqual([
    { name: "llama3", before: null, after: "$1.00 / $0.000\u202f002" },
  ]);
  expect(changesOf(null, { expires_ms: 1_760_000_000_000 })[0]?.after).toBe("2025-10-09 08:53 UTC");
});
