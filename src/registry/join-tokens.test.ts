import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { listAudit } from "../accounts/audit-list.ts";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { accounts } from "../accounts/schema.ts";
import { signUp } from "../accounts/sign-up.ts";
import { testPeople } from "../accounts/testing/people.ts";
import { findUser, setUserRoles } from "../accounts/users.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { newJoinSecret } from "../protocol/join-token.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import {
  admitWithToken,
  createJoinToken,
  JOIN_TOKEN_TTL_MS,
  listJoinTokens,
  MAX_OPEN_TOKENS,
  revokeJoinToken,
} from "./join-tokens.ts";
import { getNode, registerNode } from "./nodes.ts";
import type { NodeRole } from "./schema.ts";
import { joinToken } from "./testing/join-token.ts";

const NODE = pubkeySchema.parse("aa".repeat(32));
const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

async function tokensOn(made: Awaited<ReturnType<typeof testDatabase>>) {
  const clock = manualClock();
  const { db } = made;
  const deps = { db, clock, random };
  const { secret, token } = await joinToken(deps, { role: "provider", name: "rack 3" });
  const admit = (using = secret, role: NodeRole = "provider", pubkey = "aa".repeat(32)) =>
    db.writer.transact((tx) => admitWithToken(tx, { secret: using, pubkey, role, nowMs: clock.nowMs() }));
  return { ...deps, secret, token, admit };
}

test("a token admits once, and its secret is stored hashed only", async () => {
  await using made = await testDatabase();
  const { db, clock, secret, admit } = await tokensOn(made);
  expect(JSON.stringify(await db.query("SELECT * FROM join_tokens"))).not.toContain(secret.reveal());
  expect(await admit()).toMatchObject({ ok: true, value: { usedMs: clock.nowMs(), name: "rack 3" } });
  expect(await admit()).toEqual({ ok: false, error: "join_token_used" });
});

test("of fifty that race with one token exactly one wins", async () => {
  await using made = await testDatabase();
  const { db, admit, secret } = await tokensOn(made);
  const keys = Array.from({ length: 50 }, (_, i) => i.toString(16).padStart(64, "0"));
  const outcomes = await Promise.all(keys.map((key) => admit(secret, "provider", key)));
  expect(outcomes.filter((outcome) => outcome.ok).length).toBe(1);
  const winner = keys[outcomes.findIndex((outcome) => outcome.ok)];
  expect((await listJoinTokens({ db }))[0]?.usedBy).toBe(winner ?? "");
});

test("each refusal says which", async () => {
  await using made = await testDatabase();
  const { clock, admit, secret, token, db } = await tokensOn(made);
  expect(await admit(newJoinSecret(random))).toEqual({ ok: false, error: "join_token_unknown" });
  expect(await admit(secret, "client")).toEqual({ ok: false, error: "join_token_role" });
  clock.advance(JOIN_TOKEN_TTL_MS);
  expect(await admit()).toEqual({ ok: false, error: "join_token_expired" });
  expect(await revokeJoinToken({ db, clock }, token.id)).toMatchObject({ ok: true });
  expect(await admit()).toEqual({ ok: false, error: "join_token_revoked" });
});

test("a token lives until just before a day has passed", async () => {
  await using made = await testDatabase();
  const { clock, admit } = await tokensOn(made);
  clock.advance(JOIN_TOKEN_TTL_MS - 1);
  expect((await admit()).ok).toBe(true);
});

test("a used token cannot be revoked, an unknown one neither", async () => {
  await using made = await testDatabase();
  const { db, clock, admit, token } = await tokensOn(made);
  await admit();
  expect(await revokeJoinToken({ db, clock }, token.id)).toEqual({ ok: false, error: "join_token_used" });
  expect(await revokeJoinToken({ db, clock }, "join_none")).toEqual({ ok: false, error: "join_token_unknown" });
});

test("a token of an account gives it the node, as long as somebody who runs nodes acts for the account", async () => {
  await using made = await testDatabase();
  const { db } = made;
  const clock = manualClock();
  const people = testPeople({ db, clock });
  const signed = await signUp(
    people,
    { email: "opal@example.org", name: "Opal", password: "correct horse" },
    { address: "", userAgent: "" },
  );
  if (!signed.ok) throw new Error(signed.error.code);
  const opal = await findUser(db.read, "opal@example.org");
  if (!opal) throw new Error("nobody signed up");
  const { accountId } = opal;
  const { secret, token } = await joinToken({ db, clock, random }, { role: "provider", accountId });
  expect((await listJoinTokens({ db }, { accountId })).map(({ id }) => id)).toEqual([token.id]);
  expect(await listJoinTokens({ db }, { accountId: "local" })).toEqual([]);
  const said = { role: "provider", name: "rig", address: "10.0.0.1", nodeId: null, slots: 1, authV2: true } as const;
  const register = () =>
    registerNode({ db, clock }, { ...said, pubkey: NODE, specs: {} }, { registration: "token", secret });
  // It waits already, as anybody can.
  await registerNode({ db, clock }, { ...said, pubkey: NODE, specs: {} }, { registration: "token" });
  expect(await register()).toEqual({ ok: false, error: "join_token_revoked" });
  await setUserRoles(people, opal.id, ["operator"], LOCAL_CALLER);
  expect(await register()).toMatchObject({ ok: true, value: { status: "approved", admittedBy: "token", accountId } });
  expect((await getNode({ db }, NODE))?.accountId).toBe(accountId);
  const [entry] = await listAudit({ db }, 1, { action: "node.registered" });
  expect(JSON.parse(entry?.after ?? "")).toMatchObject({ account: accountId });
});

test("an account has so many open tokens and no more, and ends none but its own", async () => {
  await using made = await testDatabase();
  const { db } = made;
  const deps = { db, clock: manualClock(), random };
  await db.writer.transact((tx) =>
    tx.insert(accounts).values([
      { id: "acc_1", kind: "user", name: "Opal", createdMs: 0 },
      { id: "acc_2", kind: "user", name: "Rune", createdMs: 0 },
    ]),
  );
  const wanted = { role: "provider", accountId: "acc_1" } as const;
  const all = await Promise.all(Array.from({ length: MAX_OPEN_TOKENS + 3 }, () => createJoinToken(deps, wanted)));
  expect(all.filter(({ ok }) => ok).length).toBe(MAX_OPEN_TOKENS);
  const { token } = await joinToken(deps, { role: "provider", accountId: "acc_2" });
  expect(await revokeJoinToken(deps, token.id, "acc_1")).toEqual({ ok: false, error: "join_token_unknown" });
  const [first] = await listJoinTokens(deps, { accountId: "acc_1", limit: 1 });
  expect(await revokeJoinToken(deps, first?.id ?? "", "acc_1")).toMatchObject({ ok: true });
  expect(await createJoinToken(deps, wanted)).toMatchObject({ ok: true });
  deps.clock.advance(JOIN_TOKEN_TTL_MS);
  expect(await createJoinToken(deps, wanted)).toMatchObject({ ok: true });
});
