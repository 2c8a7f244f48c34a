// The operations mean the same whether a command reaches a running instance or works on the data itself: one contract,
// run on both, with a real database, real HTTP and real signatures.
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KeyRing, openKeyRing } from "../accounts/key-ring.ts";
import { testPeople } from "../accounts/testing/people.ts";
import { type DirectDeps, directAdmin } from "../admin/direct.ts";
import { nodeOnlyAdmin } from "../admin/node-only.ts";
import type { Admin, Status } from "../admin/operations.ts";
import type { OwnNode } from "../admin/own-node.ts";
import type { UpdateState } from "../admin/update-operations.ts";
import type { Say } from "../daemon/commands/node-commands.ts";
import { ownCommands } from "../daemon/commands/own-commands.ts";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { localRoutes } from "../http/local.ts";
import { authenticateMachine } from "../http/machine-auth.ts";
import { type Identity, identityOf } from "../identity/keys.ts";
import { MemoryNonces } from "../identity/nonces.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import type { VerifyDeps } from "../identity/verify-request.ts";
import { manualClock } from "../lib/clock.ts";
import { randomHex } from "../lib/hex.ts";
import { err } from "../lib/result.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import { type Registration, registerNode } from "../registry/nodes.ts";
import { testSettings } from "../settings/testing/settings.ts";
import { testArchive } from "../settlement/testing/test-archive.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { remoteAdmin } from "./remote-admin.ts";

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
function newIdentity(): Identity {
  const identity = identityOf(random(32));
  if (!identity.ok) throw new Error("no key");
  return identity.value;
}
const newPubkey = (): Pubkey => newIdentity().pubkey;

type Fixture = { admin: Admin; deps: DirectDeps; ring: KeyRing; database: TestDatabase; resets: [Pubkey, string][] };
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const identity = newIdentity();

/** Begins what it is told, and ends what it is told to stop. */
const OBEDIENT: Parameters<typeof ownCommands>[0]["commands"] = {
  link() {
    let say: Say = () => undefined;
    return {
      opened(heard) {
        say = heard;
      },
      closed: () => undefined,
      obey({ type, id }) {
        if (type === "command") say({ type: "command_progress", id, phase: "pulling", completed: 1, total: 2 });
        if (type === "command_cancel") say({ type: "command_end", id, outcome: "cancelled", error: null });
      },
    };
  },
};

async function direct(): Promise<Fixture> {
  const database = await testDatabase();
  cleanUps.push(() => database[Symbol.asyncDispose]());
  const clock = manualClock();
  const ring = await openKeyRing({ db: database.db, clock, hashKey: random(32) });
  const resets: [Pubkey, string][] = [];
  const live = {
    registry: { nodes: new Map(), models: new Map() },
    resetLink: (pubkey: Pubkey, reason: string) => void resets.push([pubkey, reason]),
    reload: async (pubkey: Pubkey) => void resets.push([pubkey, "reload"]),
    url: "http://127.0.0.1:1",
    pid: 7,
    startedMs: 5,
    jobs: () => ({ queued: 2, running: 3 }),
    ownNode: () => null,
    delivery: { nudge: () => undefined, progressOf: () => null },
  };
  const { db } = database;
  const { pubkey } = identity;
  const joinUrl = "https://infer.example";
  const webhookKey = () => new Uint8Array(32).fill(7);
  const about = { mode: "coordinator", version: "1.2.3", pubkey, joinUrl, webhookKey } as const;
  const people = testPeople({ db, clock });
  const { settings } = await testSettings({ db, clock });
  const deps: DirectDeps = { db, ring, clock, random, ...about, live, people, archive: testArchive(db), settings };
  return { admin: directAdmin(deps), deps, ring, database, resets };
}

/** The local routes behind a real server that verifies signatures. */
function serve(admin: Admin, { clock }: DirectDeps): string {
  const { pubkey } = identity;
  const keys = { lookup: () => undefined, markV2Seen: () => undefined };
  const nonces = new MemoryNonces(clock);
  const verify: VerifyDeps = {
    clock,
    recipient: pubkey,
    ownKeys: [pubkey],
    keys,
    nonces,
    acceptV1: true,
    listeningSinceMs: 0,
  };
  const routes: Record<string, Record<string, (request: Bun.BunRequest) => Promise<Response>>> = {};
  for (const { method, path, handle } of localRoutes(admin)) {
    routes[path] ??= {};
    routes[path][method] = async (request) => {
      const verified = await authenticateMachine(verify, request, "local");
      if (!verified.ok) return verified.error;
      const text = new TextDecoder().decode(verified.value.body);
      const { status, body } = await handle({
        body: text === "" ? undefined : JSON.parse(text),
        params: request.params as Record<string, string>,
        query: new URL(request.url).searchParams,
      });
      return Response.json(body, { status });
    };
  }
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", routes, fetch: () => new Response("?", { status: 404 }) });
  cleanUps.push(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

const overHttp = (url: string, { clock }: DirectDeps, who: Identity): Admin =>
  remoteAdmin({
    url,
    signedFetch: signedFetch({
      identity: who,
      aud: identity.pubkey,
      clock,
      random,
      fetch,
      sleep: async () => undefined,
    }),
  });

async function remote(): Promise<Fixture> {
  const fixture = await direct();
  return { ...fixture, admin: overHttp(serve(fixture.admin, fixture.deps), fixture.deps, identity) };
}

const registration = (pubkey: Pubkey): Registration => ({
  pubkey,
  role: "provider",
  name: "gpu-1",
  address: "10.0.0.9",
  nodeId: null,
  specs: {},
  slots: 4,
  authV2: true,
});

for (const [how, open] of [
  ["directly", direct],
  ["over the local routes", remote],
] as const) {
  describe(`operations ${how}`, () => {
    test("people are listed in parts and found; members are shown, changed and taken out", async () => {
      const { admin } = await open();
      for (const name of ["ada", "bob", "cleo"]) await admin.createUser({ email: `${name}@example.org` });
      const first = await admin.listUsers({ limit: 2 });
      if (!first.ok) throw new Error(first.error.message);
      expect([first.value.users.length, first.value.newer]).toEqual([2, null]);
      const rest = await admin.listUsers({ limit: 2, cursor: first.value.older ?? "" });
      expect(rest).toMatchObject({ ok: true, value: { users: [{}], older: null } });
      const found = await admin.listUsers({ search: "BOB" });
      expect(found).toMatchObject({ ok: true, value: { users: [{ email: "bob@example.org" }] } });
      const shown = await admin.showUser({ user: "bob@example.org" });
      expect(shown).toMatchObject({ ok: true, value: { sessions: [], accounts: [{ kind: "user", role: "owner" }] } });
      expect(await admin.endSessions({ user: "bob@example.org" })).toEqual({ ok: true, value: { ended: 0 } });
      expect(await admin.listOrganisations({})).toMatchObject({ ok: true, value: { organisations: [] } });
      expect(await admin.listMembers({ organisation: "local" })).toEqual({ ok: true, value: { members: [] } });
      const none = await admin.setMember({ organisation: "local", user: "bob@example.org", role: null });
      expect(none).toMatchObject({ ok: false, error: { code: "not_found" } });
      expect(await admin.listUsers({ cursor: "nonsense" })).toMatchObject({ ok: false, error: { code: "invalid" } });
    });

    test("a key works once it is made, is listed without its secret, and is refused once revoked", async () => {
      const { admin, ring } = await open();
      const made = await admin.createKey({ name: "  alice ", expires_in_s: 3600 });
      if (!made.ok) throw new Error(made.error.message);
      expect(ring.find(made.value.key)).toMatchObject({ name: "alice", keyId: made.value.id });
      const listed = await admin.listKeys({});
      expect(listed).toMatchObject({
        ok: true,
        value: { keys: [{ id: made.value.id, name: "alice", revoked_ms: null }] },
      });
      expect(JSON.stringify(listed)).not.toContain(made.value.key);
      expect(await admin.revokeKey({ id: made.value.id })).toEqual({ ok: true, value: { id: made.value.id } });
      expect(ring.find(made.value.key)).toBeUndefined();
      expect(await admin.revokeKey({ id: made.value.id })).toMatchObject({ ok: false, error: { code: "not_found" } });
    });

    test("two keys that begin alike are not revoked by that beginning", async () => {
      const { admin, deps } = await open();
      const same = { ...deps, random: (bytes: number) => new Uint8Array(bytes).fill(7) };
      const [one, other] = [
        directAdmin(same),
        directAdmin({ ...same, random: (n) => new Uint8Array(n).map((_, i) => (i < 12 ? 7 : 9)) }),
      ];
      expect((await one.createKey({ name: "a" })).ok).toBe(true);
      expect((await other.createKey({ name: "b" })).ok).toBe(true);
      expect(await admin.revokeKey({ id: "inf_7" })).toMatchObject({ ok: false, error: { code: "conflict" } });
    });

    test("a join token carries address and key, is listed open, then revoked", async () => {
      const { admin } = await open();
      const made = await admin.createJoinToken({ url: "http://10.0.0.1:46337", expires_in_s: 60 });
      if (!made.ok) throw new Error(made.error.message);
      const decoded = decodeJoinToken(made.value.token);
      expect(decoded).toMatchObject({
        ok: true,
        value: { url: "http://10.0.0.1:46337", coordinator: identity.pubkey },
      });
      const { id } = made.value;
      expect(await admin.listJoinTokens({})).toMatchObject({
        value: { tokens: [{ id, role: "provider", state: "open" }] },
      });
      expect((await admin.revokeJoinToken({ id })).ok).toBe(true);
      expect(await admin.listJoinTokens({})).toMatchObject({ value: { tokens: [{ id, state: "revoked" }] } });
      expect(await admin.revokeJoinToken({ id: "join_none" })).toMatchObject({
        ok: false,
        error: { code: "not_found" },
      });
    });

    test("a join token names the coordinator's own address where none is given, and none that is no address", async () => {
      const { admin } = await open();
      expect(await admin.createJoinToken({})).toMatchObject({ ok: true, value: { url: "https://infer.example" } });
      const refused = await admin.createJoinToken({ url: "ftp://x" });
      expect(refused).toMatchObject({ ok: false, error: { code: "invalid" } });
      const { value } = (await admin.listJoinTokens({})) as { value: { tokens: { state: string }[] } };
      expect(value.tokens.map(({ state }) => state).toSorted()).toEqual(["open", "revoked"]);
    });

    test("a node that waits is approved, then ejected, then allowed again, and its link is reset each time", async () => {
      const { admin, deps, resets } = await open();
      const pubkey = newPubkey();
      await registerNode(deps, registration(pubkey), { registration: "token" });
      const nodes = async () => {
        const listed = await admin.listNodes({});
        return listed.ok ? listed.value.nodes : [];
      };
      expect(await nodes()).toMatchObject([{ pubkey, name: "gpu-1", status: "pending", online: false, slots: 4 }]);
      expect(await admin.approveNode({ pubkey })).toEqual({ ok: true, value: { pubkey } });
      expect(await nodes()).toMatchObject([{ status: "approved" }]);
      expect((await admin.ejectNode({ pubkey, reason: "lies" })).ok).toBe(true);
      expect(await admin.approveNode({ pubkey })).toMatchObject({ ok: false, error: { code: "conflict" } });
      expect((await admin.allowNode({ pubkey, role: "client" })).ok).toBe(true);
      expect(await nodes()).toMatchObject([{ status: "approved", role: "client" }]);
      expect(resets).toEqual([
        [pubkey, "approved"],
        [pubkey, "ejected"],
        [pubkey, "allowed"],
      ]);
    });

    test("a node is placed in a pool and under maintenance, each apart, and its link stays", async () => {
      const { admin, deps, resets } = await open();
      const pubkey = newPubkey();
      await registerNode(deps, registration(pubkey), { registration: "open" });
      const at = (pool: string, maintenance: boolean) => ({ ok: true, value: { pubkey, pool, maintenance } }) as const;
      expect(await admin.placeNode({ pubkey, pool: "acme" })).toEqual(at("acme", false));
      expect(await admin.placeNode({ pubkey, maintenance: true })).toEqual(at("acme", true));
      expect(await admin.listNodes({})).toMatchObject({ value: { nodes: [{ pool: "acme", maintenance: true }] } });
      expect(await admin.placeNode({ pubkey, pool: "public", maintenance: false })).toEqual(at("public", false));
      expect(resets).toEqual([
        [pubkey, "reload"],
        [pubkey, "reload"],
        [pubkey, "reload"],
      ]);
      expect(await admin.placeNode({ pubkey, pool: "No Name" })).toMatchObject({
        ok: false,
        error: { code: "invalid" },
      });
      const stranger = await admin.placeNode({ pubkey: newPubkey(), pool: "acme" });
      expect(stranger).toMatchObject({ ok: false, error: { code: "not_found" } });
    });

    test("a key may use the private pools it was made for, which are neither of everybody's", async () => {
      const { admin, ring } = await open();
      const made = await admin.createKey({ name: "member", pools: ["acme"] });
      if (!made.ok) throw new Error(made.error.message);
      expect(ring.find(made.value.key)?.pools).toEqual(["acme"]);
      expect(await admin.listKeys({})).toMatchObject({ value: { keys: [{ pools: ["acme"] }] } });
      for (const pool of ["public", "backstop", ""])
        expect(await admin.createKey({ name: "x", pools: [pool] })).toMatchObject({ error: { code: "invalid" } });
    });

    test("a key's rights and limits are kept as they were asked for, and go over to the key it is rotated to", async () => {
      const { admin, ring } = await open();
      const rights = {
        scopes: ["chat", "models:read"] as ("chat" | "models:read")[],
        models: ["qwen3:*", "llama"],
        requests_per_minute: 60,
        tokens_per_minute: 10_000,
        spend_day: 2_500_000,
        spend_total: 0,
      };
      const made = await admin.createKey({ name: "app", pools: ["acme"], ...rights });
      if (!made.ok) throw new Error(made.error.message);
      const rotated = await admin.rotateKey({ id: made.value.id, overlap_s: 60, expires_in_s: 3_600 });
      if (!rotated.ok) throw new Error(rotated.error.message);
      const oldEndsMs = rotated.value.old_expires_ms;
      expect(rotated.value.old_id).toBe(made.value.id);
      const kept = { ...rights, name: "app", pools: ["acme"], role: "client", lineage: made.value.id };
      const listed = await admin.listKeys({});
      if (!listed.ok) throw new Error(listed.error.message);
      const byId = new Map(listed.value.keys.map((key) => [key.id, key]));
      expect(byId.get(made.value.id)).toMatchObject({ ...kept, expires_ms: oldEndsMs });
      expect(byId.get(rotated.value.id)).toMatchObject({ ...kept, expires_ms: oldEndsMs - 60_000 + 3_600_000 });
      expect(ring.find(rotated.value.key)?.keyId).toBe(rotated.value.id);
      expect(ring.find(made.value.key)?.keyId).toBe(made.value.id);
      expect(await admin.rotateKey({ id: "key_x" })).toMatchObject({ ok: false, error: { code: "not_found" } });
    });

    test.each([
      [{ scopes: ["operator"] }],
      [{ models: ["a*b"] }],
      [{ models: [""] }],
      [{ models: Array(65).fill("m") }],
      [{ requests_per_minute: 0 }],
      [{ tokens_per_minute: 1.5 }],
      [{ spend_day: -1 }],
      [{ spend_total: 2 ** 53 }],
      [{ role: "operator", requests_per_minute: 1 }],
      [{ role: "operator", scopes: ["chat"] }],
      [{ role: "operator", models: ["m"] }],
    ])("%#: rights and limits that make no sense are refused", async (rights) => {
      const { admin } = await open();
      const wanted = { name: "x", ...rights } as Parameters<typeof admin.createKey>[0];
      expect(await admin.createKey(wanted)).toMatchObject({ ok: false, error: { code: "invalid" } });
    });

    test("a stranger cannot be approved or ejected, but allowed beforehand", async () => {
      const { admin } = await open();
      const pubkey = newPubkey();
      expect(await admin.approveNode({ pubkey })).toMatchObject({ ok: false, error: { code: "not_found" } });
      expect(await admin.ejectNode({ pubkey })).toMatchObject({ ok: false, error: { code: "not_found" } });
      expect(await admin.allowNode({ pubkey })).toEqual({ ok: true, value: { pubkey } });
    });

    test("status and models tell of what runs", async () => {
      const { admin } = await open();
      const status = await admin.status({});
      expect(status).toMatchObject({
        ok: true,
        value: {
          running: true,
          mode: "coordinator",
          version: "1.2.3",
          pubkey: identity.pubkey,
          pid: 7,
          jobs: { queued: 2, running: 3 },
          nodes: { online: 0, known: 0, pending: 0 },
        },
      });
      expect(await admin.listModels({})).toEqual({ ok: true, value: { models: [] } });
    });

    test("a backup is written, once, to an absolute path", async () => {
      const { admin, database } = await open();
      const file = join(database.directory, "copy.db");
      const made = await admin.backup({ file });
      expect(made).toMatchObject({ ok: true, value: { file } });
      expect(existsSync(file)).toBe(true);
      expect(await admin.backup({ file })).toMatchObject({ ok: false, error: { code: "storage_failed" } });
      expect(await admin.backup({ file: "copy.db" })).toMatchObject({ ok: false, error: { code: "invalid" } });
    });
  });
}

describe("over the local routes", () => {
  test("what does not fit its shape is refused with what is wrong", async () => {
    const { admin } = await remote();
    const name = "x".repeat(129);
    expect(await admin.createKey({ name })).toMatchObject({ ok: false, error: { code: "invalid" } });
    const pubkey = pubkeySchema.parse(randomHex(32));
    const wrong = Object.assign({ pubkey, role: "king" as "client" });
    const refused = await admin.allowNode(wrong);
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "invalid", message: expect.stringContaining("provider") },
    });
  });

  test("another key than the instance's own is not allowed", async () => {
    const { deps, admin } = await direct();
    const stranger = overHttp(serve(admin, deps), deps, newIdentity());
    const refused = await stranger.status({}).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CliError);
    expect((refused as CliError).exitCode).toBe(EXIT.notAllowed);
  });

  test("an instance that does not answer is not reachable", async () => {
    const { deps } = await direct();
    const free = Bun.serve({ port: 0, fetch: () => new Response() });
    const { port } = free;
    await free.stop(true);
    const gone = await overHttp(`http://127.0.0.1:${port}`, deps, identity)
      .status({})
      .catch((error: unknown) => error);
    expect(gone).toMatchObject({ name: "CliError", exitCode: EXIT.unreachable });
  });

  test("a node answers for its status and sends everything else to its coordinator", async () => {
    const { admin, deps } = await direct();
    const known = await admin.status({});
    if (!known.ok) throw new Error("no status");
    let reason: string | null = null;
    const own: OwnNode = {
      standing: () => ({ status: reason === null ? "available" : "paused", reason }),
      pause: (why) => {
        reason = why;
      },
      resume: () => {
        reason = null;
      },
    };
    const status = (): Status => ({ ...known.value, mode: "node", node: own.standing() });
    const commands = ownCommands({ clock: deps.clock, newId: () => Bun.randomUUIDv7(), commands: OBEDIENT });
    const { settings } = await testSettings({ db: deps.db });
    const dashboardLink = () => ({ link: "http://127.0.0.1:1/open#x", expires_ms: 1 });
    const looked: UpdateState = { version: "1.0.0", target: null, feed: null, daily: false, found: null };
    const updates = { state: () => looked, check: async () => err({ message: "there is no feed" }) };
    const only = nodeOnlyAdmin({ status, node: own, commands, name: "gpu-1", dashboardLink, settings, updates });
    const node = overHttp(serve(only, deps), deps, identity);
    expect(await node.status({})).toMatchObject({ ok: true, value: { mode: "node" } });
    expect(await node.listKeys({})).toMatchObject({ ok: false, error: { code: "not_available" } });
    expect(await node.createDashboardLink({})).toEqual({ ok: true, value: dashboardLink() });
    expect(await node.readUpdate({})).toEqual({ ok: true, value: looked });
    expect(await node.checkUpdate({})).toMatchObject({ ok: false, error: { message: "there is no feed" } });
    expect(await admin.createDashboardLink({})).toMatchObject({ ok: false, error: { code: "not_available" } });
    expect(await node.pauseNode({ reason: "a game" })).toMatchObject({ ok: true, value: { status: "paused" } });
    expect(await node.status({})).toMatchObject({ value: { node: { status: "paused", reason: "a game" } } });
    expect(await node.resumeNode({})).toMatchObject({ ok: true, value: { status: "available", reason: null } });
    expect(await node.pauseNode({ reason: " " })).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(await admin.pauseNode({})).toMatchObject({ ok: false, error: { code: "not_available" } });
    const { pubkey } = known.value;
    const other = "ab".repeat(32) as Pubkey;
    expect(await node.issueCommand({ pubkey: other, command: "drain" })).toMatchObject({
      error: { code: "not_available" },
    });
    expect(await node.issueCommand({ pubkey, command: "model_install" })).toMatchObject({ error: { code: "invalid" } });
    const pulled = await node.issueCommand({ pubkey, command: "model_install", model: "m" });
    expect(pulled).toMatchObject({ value: { state: "running", progress: { phase: "pulling" }, node_name: "gpu-1" } });
    const ids = pulled.ok ? [pulled.value.id] : [];
    expect(await node.cancelCommand({ id: ids[0] ?? "" })).toMatchObject({ ok: true });
    expect(await node.watchCommands({ ids })).toMatchObject({ value: { commands: [{ state: "cancelled" }] } });
    expect(await node.cancelCommand({ id: ids[0] ?? "" })).toMatchObject({ error: { code: "conflict" } });
    expect(await node.listCommands({})).toMatchObject({ value: { commands: [{ id: ids[0] }] } });
  });

  test("a command is stored for its node, whether it is there or not, and can be taken back", async () => {
    const { admin } = await direct();
    const pubkey = "cd".repeat(32) as Pubkey;
    expect(await admin.issueCommand({ pubkey, command: "drain" })).toMatchObject({ error: { code: "not_found" } });
    await admin.allowNode({ pubkey });
    expect(await admin.issueCommand({ pubkey, command: "drain", model: "m" })).toMatchObject({
      error: { code: "invalid" },
    });
    expect(await admin.issueCommand({ pubkey, command: "model_install", model: "../etc" })).toMatchObject({
      error: { code: "invalid" },
    });
    const issued = await admin.issueCommand({ pubkey, command: "model_install", model: "hf.co/a/b:Q4" });
    expect(issued).toMatchObject({ value: { node: pubkey, state: "queued", online: false, model: "hf.co/a/b:Q4" } });
    const id = issued.ok ? issued.value.id : "";
    expect(await admin.watchCommands({ ids: [id] })).toMatchObject({ value: { commands: [{ id, state: "queued" }] } });
    expect(await admin.cancelCommand({ id })).toMatchObject({ value: { state: "cancelled" } });
    expect(await admin.cancelCommand({ id })).toMatchObject({ error: { code: "conflict" } });
    expect(await admin.cancelCommand({ id: Bun.randomUUIDv7() })).toMatchObject({ error: { code: "not_found" } });
    expect(await admin.listCommands({})).toMatchObject({ value: { commands: [{ id, state: "cancelled" }] } });
  });
});
