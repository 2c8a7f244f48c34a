import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { newJoinSecret } from "../protocol/join-token.ts";
import { admitWithToken, createJoinToken, JOIN_TOKEN_TTL_MS, listJoinTokens, revokeJoinToken } from "./join-tokens.ts";
import type { NodeRole } from "./schema.ts";

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

async function tokensOn(made: Awaited<ReturnType<typeof testDatabase>>) {
  const clock = manualClock();
  const { db } = made;
  const deps = { db, clock, random };
  const { secret, token } = await createJoinToken(deps, { role: "provider", name: "rack 3" });
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
