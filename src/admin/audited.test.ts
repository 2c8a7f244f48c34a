// What each operation leaves in the audit log, and whose name it bears.
import { expect, test } from "bun:test";
import { verifyAudit } from "../accounts/audit-check.ts";
import { listAudit } from "../accounts/audit-list.ts";
import type { Caller } from "../accounts/caller.ts";
import { openKeyRing } from "../accounts/key-ring.ts";
import { testPeople } from "../accounts/testing/people.ts";
import { testDatabase } from "../db/test-database.ts";
import { identityOf } from "../identity/keys.ts";
import { manualClock } from "../lib/clock.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type Registration, registerNode } from "../registry/nodes.ts";
import { setPayout } from "../registry/payouts.ts";
import { joinToken } from "../registry/testing/join-token.ts";
import { testSettings } from "../settings/testing/settings.ts";
import { testArchive } from "../settlement/testing/test-archive.ts";
import { directAdmin } from "./direct.ts";

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
function newPubkey(): Pubkey {
  const identity = identityOf(random(32));
  if (!identity.ok) throw new Error("no key");
  return identity.value.pubkey;
}
const ANNA: Caller = { actor: "user/anna", from: "192.0.2.7" };

async function instance() {
  const database = await testDatabase();
  const { db } = database;
  const clock = manualClock();
  const ring = await openKeyRing({ db, clock, hashKey: random(32) });
  const about = {
    mode: "coordinator",
    version: "1.2.3",
    pubkey: newPubkey(),
    joinUrl: "https://infer.example",
  } as const;
  const webhookKey = () => new Uint8Array(32);
  const people = testPeople({ db, clock });
  const archive = testArchive(db);
  const { settings } = await testSettings({ db, clock });
  const admin = directAdmin({ db, ring, clock, random, ...about, webhookKey, live: null, people, archive, settings });
  const acts = async () =>
    (await listAudit({ db }, 100)).reverse().map(({ actor, action, subject, before, after, from }) => ({
      actor,
      action,
      subject,
      before: JSON.parse(before) as unknown,
      after: JSON.parse(after) as unknown,
      from,
    }));
  return { ...database, db, clock, admin, acts, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}
const registration = (pubkey: Pubkey): Registration => ({
  pubkey,
  role: "provider",
  name: "rig",
  address: "198.51.100.4",
  nodeId: null,
  specs: {},
  slots: 1,
  authV2: true,
});

test("what is decided about a node is noted with who decided, how it was and how it is", async () => {
  await using on = await instance();
  const { admin, db, clock } = on;
  const node = newPubkey();
  await registerNode({ db, clock }, registration(node), { registration: "approval" });
  expect(await on.acts()).toEqual([]);
  await admin.approveNode({ pubkey: node }, ANNA);
  await admin.approveNode({ pubkey: node }, ANNA);
  await admin.placeNode({ pubkey: node, pool: "lab" }, ANNA);
  await admin.issueCommand({ pubkey: node, command: "model_install", model: "tiny" }, ANNA);
  await admin.ejectNode({ pubkey: node, reason: "bad answers" });
  await admin.allowNode({ pubkey: node }, ANNA);
  const subject = `node/${node}`;
  const anna = { ...ANNA, subject };
  expect(await on.acts()).toEqual([
    {
      ...anna,
      action: "node.approved",
      before: "pending",
      after: { role: "provider", name: "rig", address: "198.51.100.4" },
    },
    { ...anna, action: "node.placed", before: { pool: "", maintenance: false }, after: { pool: "lab" } },
    {
      ...anna,
      action: "command.issued",
      before: null,
      after: { id: expect.any(String), command: "model_install", model: "tiny" },
    },
    { actor: "local", from: "", subject, action: "node.ejected", before: "approved", after: { reason: "bad answers" } },
    { ...anna, action: "node.allowed", before: "ejected", after: { role: "provider" } },
  ]);
  expect((await verifyAudit(db)).broken).toBeNull();
});

test("a node that was let in by what it brought is noted once, and where it changes its payout address", async () => {
  await using on = await instance();
  const { db, clock } = on;
  const node = newPubkey();
  const { secret } = await joinToken({ db, clock, random }, { role: "provider" });
  const rule = { registration: "token", secret } as const;
  for (let n = 0; n < 2; n += 1) await registerNode({ db, clock }, registration(node), rule);
  await registerNode({ db, clock }, registration(newPubkey()), { registration: "open" });
  const sol = { coin: "SOL", network: "solana" };
  for (const address of ["one", "one", "two"])
    await setPayout({ db, clock }, node, { ...sol, address }, 2, "198.51.100.4");
  const byNode = { actor: `node/${node}`, subject: `node/${node}`, from: "198.51.100.4" };
  const set = { ...byNode, action: "payout_address.set" };
  const [made, ...acts] = await on.acts();
  expect(made?.action).toBe("join_token.created");
  expect(acts).toEqual([
    {
      ...byNode,
      action: "node.registered",
      before: null,
      after: { role: "provider", name: "rig", admitted_by: "token" },
    },
    { ...set, before: null, after: { ...sol, address: "one" } },
    { ...set, before: { ...sol, address: "one" }, after: { ...sol, address: "two" } },
  ]);
});

test("join tokens and backups are noted, and no secret with them", async () => {
  await using on = await instance();
  const { admin } = on;
  const made = await admin.createJoinToken({}, ANNA);
  if (!made.ok) throw new Error(made.error.message);
  await admin.revokeJoinToken({ id: made.value.id }, ANNA);
  await admin.revokeJoinToken({ id: "join_none" }, ANNA);
  const file = `${on.directory}/copy.db`;
  await admin.backup({ file }, ANNA);
  const acts = await on.acts();
  expect(acts.map(({ action, subject }) => [action, subject])).toEqual([
    ["join_token.created", made.value.id],
    ["join_token.revoked", made.value.id],
    ["backup.written", file],
  ]);
  expect(JSON.stringify(acts)).not.toContain(made.value.token.slice(0, 40));
});
