// The pages of nodes on the real server: who sees and does what.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { listAudit } from "../../accounts/audit-list.ts";
import { type CoordinatorStage, coordinatorStage } from "../../http/testing/coordinator-stage.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import type { NodeTerms } from "../../protocol/terms.ts";
import { listCommands } from "../../registry/commands.ts";
import { allowNode, ejectNode, getNode, registerNode } from "../../registry/nodes.ts";
import { setPayout } from "../../registry/payouts.ts";
import { nodes } from "../../registry/schema.ts";
import { earningDays } from "../../stats/schema.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

const EVIL = `<img src=x onerror=alert(1)>`;
let on: CoordinatorStage;
let admin: SignedIn;
let opal: SignedIn;
let cleo: SignedIn;
let member: SignedIn;
/** Opal's, one of a private pool, one that waits, and one of the organisation that `member` looks at. */
let own: Pubkey;
let hidden: Pubkey;
let pending: Pubkey;
let shared: Pubkey;

const key = (n: number) => `${n}`.padStart(64, "0") as Pubkey;
const give = (pubkey: Pubkey, more: Partial<typeof nodes.$inferInsert>) =>
  on.database.db.writer.transact(async (tx) => {
    await tx.update(nodes).set(more).where(eq(nodes.pubkey, pubkey));
  });
async function join(n: number, more: Partial<typeof nodes.$inferInsert>): Promise<Pubkey> {
  const { db } = on.database;
  await allowNode({ db, clock: on.clock }, key(n), { name: `node ${n}` });
  await give(key(n), more);
  const { pool = "", accountId = "local", maintenance = false } = more;
  on.node(n);
  on.registry.place(key(n), { pool, account: accountId, maintenance });
  return key(n);
}
const read = async (who: SignedIn | null, path: string) => {
  const answer = await (who ? who.get(path) : fetch(on.server.url + path, { redirect: "manual" }));
  return { status: answer.status, text: await answer.text() };
};

beforeAll(async () => {
  on = await coordinatorStage({ dashboard: { billing: "credits" } });
  admin = await signedIn(on, { email: "ada@example.org", roles: ["admin"] });
  opal = await signedIn(on, { email: "opal@example.org", roles: ["operator"] });
  cleo = await signedIn(on, { email: "cleo@example.org", roles: ["client"] });
  member = await signedIn(on, { email: "mia@example.org", roles: ["operator"], member: true });
  own = await join(1, { accountId: opal.accountId, address: "198.51.100.7" });
  hidden = await join(2, { pool: "lab" });
  shared = await join(4, { accountId: member.accountId });
  pending = key(3);
  const { db } = on.database;
  await registerNode(
    { db, clock: on.clock },
    {
      ...{ pubkey: pending, role: "provider", name: EVIL, address: "198.51.100.9", nodeId: null, specs: {}, slots: 1 },
      authV2: true,
    },
    { registration: "token" },
  );
  const day = Math.floor(on.clock.nowMs() / 86_400_000);
  const earned = { node: own, day, receipts: 1, gross: 2_000_000, nodeAmount: 1_760_000, fee: 240_000 };
  await db.writer.transact((tx) => tx.insert(earningDays).values(earned));
});
afterAll(() => on[Symbol.asyncDispose]());

describe("the page of a node", () => {
  test("shows everybody what it is, and no more", async () => {
    for (const who of [null, cleo]) {
      const { status, text } = await read(who, `/nodes/${own}`);
      expect(status).toBe(200);
      expect(text).toContain("node 01");
      for (const inner of ["198.51.100.7", "opal@example.org", "Commands", "Earned", "Drain", "Install", "Owner"]) {
        expect([inner, text.includes(inner)]).toEqual([inner, false]);
      }
    }
  });

  test("shows its owner and admins all there is, addresses to admins only", async () => {
    const { text } = await read(opal, `/nodes/${own}`);
    for (const inner of ["opal@example.org", "Commands", "$1.76", "Drain", "Install a model"]) {
      expect([inner, text.includes(inner)]).toEqual([inner, true]);
    }
    expect(text).not.toContain("198.51.100.7");
    expect(text).not.toContain("Eject");
    const governed = (await read(admin, `/nodes/${own}`)).text;
    expect(governed).toContain("198.51.100.7");
    expect(governed).toContain("Eject");
  });

  test("of a private pool, or of who waits, is there for those who run it only", async () => {
    for (const node of [hidden, pending, key(9), "no-key"]) {
      for (const who of [null, cleo]) expect([node, (await read(who, `/nodes/${node}`)).status]).toEqual([node, 404]);
      expect((await read(cleo, `/live/nodes/${node}`)).status).toBe(404);
    }
    expect((await read(admin, `/nodes/${hidden}`)).status).toBe(200);
    expect((await read(admin, `/nodes/${pending}`)).status).toBe(200);
  });

  test("is behind the sign-in where the instance shows itself to nobody", async () => {
    await using closed = await coordinatorStage({ dashboard: { isPublic: () => false } });
    const answer = await fetch(`${closed.server.url}/nodes/${own}`, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, `/sign-in?next=%2Fnodes%2F${own}`]);
  });

  test("shows a stranger's name as text", async () => {
    for (const path of [`/nodes/${pending}`, "/admin/nodes"]) {
      const { text } = await read(admin, path);
      expect(text).toContain("&lt;img src=x");
      expect(text).not.toContain(EVIL);
    }
  });
});

describe("an act on a node", () => {
  const commands = async (node: Pubkey) =>
    (await listCommands(on.database, 10, { node })).map(({ command }) => command);

  test("is its owner's and the admins', nobody else's", async () => {
    expect((await opal.post(`/nodes/${own}/command`, { command: "drain" })).status).toBe(303);
    expect((await admin.post(`/nodes/${own}/command`, { command: "model_install", model: "m:1b" })).status).toBe(303);
    expect((await cleo.post(`/nodes/${own}/command`, { command: "resume" })).status).toBe(404);
    expect((await opal.post(`/nodes/${hidden}/command`, { command: "resume" })).status).toBe(404);
    expect(await commands(own)).toEqual(["model_install", "drain"]);
    expect(await commands(hidden)).toEqual([]);
  });

  test("is not for members who are no owners: they look on", async () => {
    const { text, status } = await read(member, `/nodes/${shared}`);
    expect([status, text.includes("Commands"), text.includes("Drain")]).toEqual([200, true, false]);
    expect((await member.post(`/nodes/${shared}/command`, { command: "drain" })).status).toBe(403);
    expect((await member.post(`/nodes/${shared}/unlink`)).status).toBe(403);
    expect(await commands(shared)).toEqual([]);
  });

  test("cancels the commands of that account's nodes only", async () => {
    const [newest] = await listCommands(on.database, 1, { node: own });
    await admin.post(`/nodes/${hidden}/command`, { command: "refresh" });
    const [foreign] = await listCommands(on.database, 1, { node: hidden });
    expect((await opal.post(`/nodes/${own}/commands/${foreign?.id}/cancel`)).status).toBe(404);
    expect((await opal.post(`/nodes/${own}/commands/${newest?.id}/cancel`)).status).toBe(303);
    const states = (await listCommands(on.database, 9)).map(({ id, state }) => [id, state]);
    expect(states).toContainEqual([newest?.id ?? "", "cancelled"]);
    expect(states).toContainEqual([foreign?.id ?? "", "queued"]);
  });

  test("says what is wrong with it, and does nothing", async () => {
    const htmx = { headers: { "hx-request": "true" } };
    const refused = await opal.post(`/nodes/${own}/command`, { command: "model_install", model: "../etc" }, htmx);
    expect(refused.status).toBe(422);
    expect(refused.headers.get("hx-trigger")).toContain("A model's name has letters");
    expect((await opal.post(`/nodes/${own}/command`, { command: "reboot" })).status).toBe(422);
    expect((await opal.post(`/nodes/${own}/command`, { command: "model_install" })).status).toBe(422);
    expect((await admin.post(`/nodes/${own}/place`, { pool: "No Pool" })).status).toBe(422);
    expect((await admin.post(`/nodes/${own}/pause`)).status).toBe(409);
    expect((await admin.post("/admin/nodes/allow", { pubkey: "ab" })).status).toBe(422);
  });

  test("approves, ejects, lets in again, places and unlinks", async () => {
    const row = () => getNode(on.database, pending);
    await admin.post(`/nodes/${pending}/approve`);
    expect(await row()).toMatchObject({ status: "approved", admittedBy: "approval" });
    const ejected = await admin.post(`/nodes/${pending}/eject`, {}, { headers: { "hx-request": "true" } });
    expect(JSON.parse(ejected.headers.get("hx-trigger") ?? "")).toEqual({
      toast: { text: "Node ejected", undo: `/nodes/${pending}/allow` },
    });
    expect(await row()).toMatchObject({ status: "ejected" });
    await admin.post(`/nodes/${pending}/allow`);
    expect(await row()).toMatchObject({ status: "approved" });
    await admin.post(`/nodes/${pending}/place`, { pool: "lab", maintenance: "on" });
    expect(await row()).toMatchObject({ pool: "lab", maintenance: true });
    await ejectNode({ db: on.database.db, clock: on.clock }, pending, "");
    await give(shared, { accountId: cleo.accountId });
    expect((await opal.post(`/nodes/${shared}/unlink`)).status).toBe(404);
    expect((await cleo.post(`/nodes/${shared}/unlink`)).headers.get("location")).toBe("/my/nodes");
    expect(await getNode(on.database, shared)).toMatchObject({ accountId: "local" });
  });
});

const terms = (over: Partial<NodeTerms> = {}): NodeTerms => ({
  ...{ slots: 2, price_input: 100_000, price_output: 300_000, prices: {}, schedule: [EVIL], idle_only: false },
  ...{ idle_gpu_percent: 20, idle_cpu_percent: 50, idle_busy_s: 10, idle_resume_s: 120, idle_drain_s: 30 },
  ...{ fixed: [], allows: ["models"] },
  ...over,
});

describe("the terms of a node", () => {
  const set = (over: Partial<NodeTerms> | null) =>
    Object.assign(on.registry.nodes.get(own) ?? {}, { terms: over && terms(over) });
  const typed = { "was.slots": "2", slots: "4" };
  const configured = async () =>
    (await listCommands(on.database, 100, { node: own })).flatMap(({ args }) => args.terms ?? []);

  test("are for who runs it, as text; nobody else sees them, nor that there are any", async () => {
    set({ prices: { [`${EVIL}*`]: { input: 7, output: 8 } } });
    for (const who of [opal, admin]) {
      const { text } = await read(who, `/nodes/${own}`);
      expect(text).toContain("$0.10 / $0.30");
      expect(text).toContain("&lt;img src=x");
      expect(text).not.toContain(EVIL);
    }
    for (const who of [null, cleo]) expect((await read(who, `/nodes/${own}`)).text).not.toContain("Terms");
  });

  test("are dashes where its program is older", async () => {
    set(null);
    const { text } = await read(opal, `/nodes/${own}`);
    expect(text).toContain("Its program is older");
    expect(text).not.toContain("Change terms");
  });

  test("change on its machine only, unless it lets others: then there is a form", async () => {
    set({});
    const closed = (await read(opal, `/nodes/${own}`)).text;
    expect(closed).toContain("infernet settings set node.allow_commands models,configure");
    expect(closed).not.toContain("Change terms");
    set({ allows: ["configure"] });
    expect((await read(opal, `/nodes/${own}`)).text).toContain("Change terms");
  });

  test("are asked for by its owner and admins, noted in the audit log, and by nobody else", async () => {
    expect((await cleo.post(`/nodes/${own}/terms`, typed)).status).toBe(404);
    expect((await opal.post(`/nodes/${hidden}/terms`, typed)).status).toBe(404);
    expect(await configured()).toEqual([]);
    expect((await opal.post(`/nodes/${own}/terms`, typed)).status).toBe(303);
    expect((await opal.post(`/nodes/${own}/terms`, { "was.slots": "2", slots: "2" })).status).toBe(303);
    expect(await configured()).toEqual([{ slots: 4 }]);
    const [entry] = await listAudit(on.database, 1);
    expect(entry).toMatchObject({ action: "command.issued", subject: `node/${own}` });
    expect(JSON.parse(entry?.after ?? "")).toMatchObject({ command: "configure", terms: { slots: 4 } });
  });

  test("typed wrong come back as they were typed, with the fault at the field", async () => {
    const htmx = { headers: { "hx-request": "true" } };
    const fields = { "was.schedule": "", schedule: `${EVIL} whenever`, "was.slots": "2", slots: "3" };
    const answer = await opal.post(`/nodes/${own}/terms`, fields, htmx);
    const text = await answer.text();
    expect(answer.status).toBe(422);
    expect(text).toContain("aria-invalid");
    expect(text).toContain('value="3"');
    expect(text).not.toContain(EVIL);
    // Without script it is the page, with the form open.
    const row = { "prices.former": "", "prices.name": "llama3*", "prices.input": "cheap", "prices.output": "1" };
    const plain = await opal.post(`/nodes/${own}/terms`, { "was.slots": "2", slots: "3", ...row });
    const page = await plain.text();
    expect(plain.status).toBe(422);
    expect(page).toMatch(/<details open="">\s*<summary>Change terms/);
    expect(page).toMatch(/id="terms-prices-0-input"[^>]*value="cheap"[^>]*aria-invalid="true"/);
    expect(page).toContain('value="3"');
    expect(await configured()).toHaveLength(1);
  });
});

describe("what is offered to be done with a node", () => {
  const text = async (allows: string[], commands: string[]) => {
    const node = on.registry.nodes.get(own);
    const [before] = node?.offers ?? [];
    const info = { ...before?.info, loaded: false };
    Object.assign(node ?? {}, {
      terms: terms({ allows }),
      backends: [{ kind: "openai", continues: false, healthy: true, commands }],
    });
    Object.assign(before ?? {}, { info });
    return (await read(opal, `/nodes/${own}`)).text;
  };
  const ACTS = ['"model_install"', '"model_load"', '"model_remove"', 'id="hold"', 'id="refresh"', 'id="restart"'];
  const offered = (page: string) => ACTS.filter((one) => page.includes(one));

  test("is what its backends do and its machine lets; else the page says why not", async () => {
    const all = ["model_install", "model_load", "model_remove"];
    expect(offered(await text(["models", "drain", "refresh", "restart"], all))).toEqual(ACTS);
    expect(offered(await text(["models", "refresh"], ["model_load"]))).toEqual(['"model_load"', 'id="refresh"']);
    expect(await text(["models"], [])).toContain("Its backend (openai) cannot fetch models");
    const closed = await text(["drain"], all);
    expect(offered(closed)).toEqual(['id="hold"']);
    expect(closed).toContain("infernet settings set node.allow_commands drain,models");
  });
});

describe("one's nodes", () => {
  test("are those of the account, with what they earned today", async () => {
    const { text } = await read(opal, "/my/nodes");
    expect(text).toContain("node 01");
    expect(text).toContain("$1.76");
    expect(text).not.toContain("node 02");
    expect((await read(cleo, "/my/nodes")).text).toContain("No nodes yet");
  });
});

describe("join tokens", () => {
  const idIn = (text: string) => /join-tokens\/(join_[0-9a-f]+)\/revoke/.exec(text)?.[1] ?? "";

  test("are made by operators who own the account, shown once, and nobody else's to see or end", async () => {
    const made = await (await opal.post("/my/join-tokens", { name: "rack 3", expires: "3600" })).text();
    expect(made).toMatch(/infernet setup --join infjoin_[\w-]+/);
    const { text } = await read(opal, "/my/join-tokens");
    expect(text).toContain("rack 3");
    expect(text).not.toContain("infjoin_");
    const id = idIn(text);
    expect((await read(cleo, "/my/join-tokens")).text).not.toContain("rack 3");
    for (const who of [cleo, member]) {
      expect((await who.post("/my/join-tokens")).status).toBe(403);
      expect((await who.post(`/my/join-tokens/${id}/revoke`)).status).toBe(403);
    }
    const rune = await signedIn(on, { email: "rune@example.org", roles: ["operator"] });
    expect((await rune.post(`/my/join-tokens/${id}/revoke`)).status).toBe(404);
    expect((await read(admin, "/admin/nodes/tokens")).text).toContain("rack 3");
    expect((await opal.post(`/my/join-tokens/${id}/revoke`)).status).toBe(303);
    expect((await read(opal, "/my/join-tokens")).text).toContain("Revoked");
  });

  test("let in nodes and nothing else where they are an account's; admins choose", async () => {
    expect((await opal.post("/my/join-tokens", { role: "client" })).status).toBe(422);
    expect((await admin.post("/admin/nodes/tokens", { role: "client" })).status).toBe(200);
  });
});

describe("all nodes", () => {
  const listed = async (query: string) => {
    const { text } = await read(admin, `/admin/nodes${query}`);
    return [...text.matchAll(/<tr id="node-(\d{64})"/g)].map(([, found = ""]) => Number(found));
  };
  test("are found by state, pool, name and key", async () => {
    expect((await listed("?state=online")).toSorted()).toEqual([1, 2, 4]);
    expect(await listed("?state=ejected")).toEqual([3]);
    expect(await listed("?state=offline")).toEqual([]);
    expect(await listed("?pool=lab&state=online")).toEqual([2]);
    expect(await listed("?q=NODE+1")).toEqual([1]);
    expect(await listed(`?q=${key(2).slice(0, 64)}`)).toEqual([2]);
    expect(await listed("?state=nonsense&cursor=nonsense&transport=link&role=provider")).toHaveLength(4);
    expect(await listed("?q=none")).toEqual([]);
  });
  test("let in a key beforehand", async () => {
    await admin.post("/admin/nodes/allow", { pubkey: key(77).toUpperCase(), role: "client" });
    expect(await getNode(on.database, key(77))).toMatchObject({ status: "approved", role: "client" });
  });
  test("were asked what the list of commands says", async () => {
    const { text } = await read(admin, `/admin/nodes/commands?node=${own}`);
    expect(text).toContain("Install <bdi>m:1b</bdi>");
    expect(text).not.toContain("node 02");
  });
});

test("where a node is paid is told to those who run it, where anything is paid on a chain", async () => {
  const path = `/nodes/${own}`;
  expect((await read(opal, path)).text).not.toContain("Paid to");
  Object.assign(on.dashboard, { funding: {} });
  expect((await read(opal, path)).text).toContain("No address");
  const wanted = { coin: "USDC", network: "solana", address: EVIL.padEnd(44, "x") };
  await setPayout({ db: on.database.db, clock: on.clock }, own, wanted, 2);
  for (const who of [opal, admin]) {
    const { text } = await read(who, path);
    expect(text).toContain("Copy where it is paid");
    expect(text).not.toContain("<img src=x");
  }
  for (const who of [cleo, null]) expect((await read(who, path)).text).not.toContain("Paid to");
  Object.assign(on.dashboard, { funding: null });
});
