// The keys' pages on the real server: what they show, and that nobody changes what is not theirs.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createApiKey } from "../../accounts/api-keys.ts";
import { type CoordinatorStage, coordinatorStage } from "../../http/testing/coordinator-stage.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

let on: CoordinatorStage;
let person: SignedIn;
beforeEach(async () => {
  on = await coordinatorStage();
  person = await signedIn(on);
});
afterEach(() => on[Symbol.asyncDispose]());

const text = async (path: string): Promise<string> => (await person.get(path)).text();
const secretIn = (html: string): string => /id="new-key">\s*(inf_\w+)/.exec(html)?.[1] ?? "";
const works = async (key: string): Promise<number> =>
  (await fetch(`${on.server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
async function made(fields: Record<string, string> = {}): Promise<{ html: string; id: string; secret: string }> {
  const html = await (await person.post("/keys", { name: "laptop", ...fields })).text();
  return { html, id: /href="\/keys\/(key_\w+)"/.exec(html)?.[1] ?? "", secret: secretIn(html) };
}

test("a new key is shown once, with calls that have it in them, and works", async () => {
  on.node(1);
  const { html, id, secret } = await made();
  expect(await works(secret)).toBe(200);
  expect(html).toContain(`Authorization: Bearer ${secret}`);
  expect(html).toContain(`api_key=&quot;${secret}&quot;`);
  for (const path of ["/keys", `/keys/${id}`]) {
    const page = await text(path);
    expect(page).toContain("laptop");
    expect(page).toContain(secret.slice(0, 12));
    expect(page).not.toContain(secret.slice(0, 16));
  }
});

test("limits are in dollars, and what is spent of them is a meter", async () => {
  const fields = {
    spend_day: "$2.50",
    spend_total: "10",
    requests_per_minute: "60",
    "scope:chat": "1",
    models: "a\nb*",
  };
  const { id } = await made({ ...fields, expires: "30d" });
  const page = await text(`/keys/${id}`);
  expect(page).toContain("$0.00 of $2.50");
  expect(page).toContain("$0.00 of $10.00");
  const listed = await on.dashboard.admin.listKeys({ account: person.accountId });
  expect(listed.ok && listed.value.keys[0]).toMatchObject({
    spend_day: 2_500_000,
    spend_total: 10_000_000,
    requests_per_minute: 60,
    tokens_per_minute: null,
    scopes: ["chat"],
    models: ["a", "b*"],
    expires_ms: on.clock.nowMs() + 30 * 86_400_000,
  });
});

test("what is wrong is said at its field, and nothing that was typed is lost", async () => {
  for (const [field, value] of [
    ["spend_day", "much"],
    ["requests_per_minute", "1.5"],
    ["models", "a*b"],
    ["requests_per_minute", "0"],
  ] as const) {
    const answer = await person.post("/keys", { name: "my laptop", [field]: value });
    const html = await answer.text();
    expect([field, answer.status >= 400]).toEqual([field, true]);
    expect(html).toContain(`id="${field}-why"`);
    expect(html).toContain('value="my laptop"');
  }
  expect(await text("/keys")).toContain("No keys yet");
});

test("rotating makes a key that takes over, and says when the old one ends", async () => {
  const { id, secret } = await made();
  const html = await (await person.post(`/keys/${id}/rotate`, { overlap_s: "0" })).text();
  expect(html).toContain("The old key ends");
  expect(await works(secretIn(html))).toBe(200);
  on.clock.advance(1);
  expect(await works(secret)).toBe(401);
});

test("revoking ends it at once, and it is found among those that ended", async () => {
  const { id, secret } = await made();
  const answer = await person.post(`/keys/${id}/revoke`);
  expect([answer.status, answer.headers.get("location")]).toEqual([303, "/keys"]);
  expect(await works(secret)).toBe(401);
  expect(await text("/keys")).toContain("No key matches");
  expect(await text("/keys?state=ended")).toContain("laptop");
});

test("keys are found by name and by how they begin", async () => {
  const { secret } = await made();
  await made({ name: "server" });
  expect(await text("/keys?q=LAP")).toContain("laptop");
  expect(await text("/keys?q=LAP")).not.toContain("server</bdi>");
  expect(await text(`/keys?q=${secret}`)).toContain("laptop");
});

test("names are text, whatever is in them", async () => {
  const name = '<script>alert(1)</script>\u202e"';
  const { html, id } = await made({ name });
  for (const page of [html, await text("/keys"), await text(`/keys/${id}`)]) {
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("\u202e");
  }
});

describe("what is not theirs", () => {
  test("is as if it did not exist", async () => {
    const { key } = await createApiKey(on.keyDeps, { name: "of another", accountId: "other" });
    for (const answer of await Promise.all([
      person.get(`/keys/${key.id}`),
      person.post(`/keys/${key.id}/rotate`),
      person.post(`/keys/${key.id}/revoke`),
      person.post(`/keys/${key.prefix}/revoke`),
      person.get("/keys/key_unknown"),
    ])) {
      expect(answer.status).toBe(404);
    }
    expect(await text("/keys?state=all")).not.toContain("of another");
  });

  test("rights that an admin gives are not taken, and keys of members are their owners'", async () => {
    expect((await person.post("/keys", { name: "x", pools: "garage" })).status).toBe(422);
    expect((await person.post("/keys", { name: "x", role: "operator" })).status).toBe(422);
    const member = await signedIn(on, { email: "max@example.org", member: true });
    const { key } = await createApiKey(on.keyDeps, { name: "shared", accountId: member.accountId });
    const page = await (await member.get("/keys")).text();
    expect(page).toContain("shared");
    expect(page).not.toMatch(/New key|Revoke/);
    for (const path of ["/keys", `/keys/${key.id}/rotate`, `/keys/${key.id}/revoke`]) {
      expect((await member.post(path, { name: "x" })).status).toBe(403);
    }
    expect((await member.get("/keys/new")).status).toBe(403);
  });
});
