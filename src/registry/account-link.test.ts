import { expect, test } from "bun:test";
import { listAudit } from "../accounts/audit-list.ts";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { createOrganisation, setMember } from "../accounts/organisations.ts";
import { LOCAL_ACCOUNT_ID, members } from "../accounts/schema.ts";
import { signUp } from "../accounts/sign-up.ts";
import { testPeople } from "../accounts/testing/people.ts";
import { findUser, setUserDisabled } from "../accounts/users.ts";
import { changes } from "../db/schema.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { decodeLinkCode, type LinkChallenge, signAccountLink } from "../protocol/account-link.ts";
import { pubkeyOf } from "../protocol/schnorr.ts";
import { createNodeChallenge, linkNode, nodesOfAccount, unlinkNode } from "./account-link.ts";
import { commandsByIds, issueCommand, markDelivered, openCommands } from "./commands.ts";
import { allowNode, ejectNode } from "./nodes.ts";

const secret = (n: number) => fromHex(n.toString(16).padStart(64, "0"));
const COORDINATOR = pubkeyOf(secret(2));
const [ONE, TWO] = [secret(3), secret(4)];
const by = LOCAL_CALLER;

async function network() {
  const database = await testDatabase();
  const { db } = database;
  const clock = manualClock();
  const people = testPeople({ db, clock });
  const deps = { ...people, coordinator: COORDINATOR };
  for (const key of [ONE, TWO]) await allowNode({ db, clock, by }, pubkeyOf(key), { name: "rig" });
  const account = async (name: string) => {
    await signUp(
      people,
      { email: `${name}@example.org`, name, password: "correct horse" },
      { address: "", userAgent: "" },
    );
    const user = await findUser(db.read, `${name}@example.org`);
    return { accountId: user?.accountId ?? "", userId: user?.id ?? "" };
  };
  const challenge = async (asked: { accountId: string; userId: string }): Promise<LinkChallenge> => {
    const decoded = decodeLinkCode((await createNodeChallenge(deps, asked)).code);
    if (!decoded.ok) throw new Error(decoded.error);
    return decoded.value;
  };
  const link = async (key: Uint8Array, asked: LinkChallenge, signed = asked) => {
    const pubkey = pubkeyOf(key);
    const sig = signAccountLink(key, pubkey, signed);
    const linked = await linkNode(deps, { pubkey, challenge: asked, sig, from: "192.0.2.1" });
    return linked.ok ? linked.value.account.name : linked.error;
  };
  return { db, clock, deps, account, challenge, link, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

test("a node that signs an account's challenge belongs to it, and other coordinators hear of it", async () => {
  await using on = await network();
  const anna = await on.account("anna");
  const nodeChanges = async () =>
    (await on.db.read.select().from(changes)).find(({ name }) => name === "nodes")?.n ?? 0;
  const before = await nodeChanges();
  expect(await on.link(ONE, await on.challenge(anna))).toBe("anna");
  expect((await nodesOfAccount(on.deps, anna.accountId)).map(({ pubkey }) => pubkey)).toEqual([pubkeyOf(ONE)]);
  expect(await nodeChanges()).toBe(before + 1);
  const [entry] = await listAudit({ db: on.db }, 1, { action: "node.linked" });
  expect(entry).toMatchObject({ actor: `node/${pubkeyOf(ONE)}`, subject: pubkeyOf(ONE), from: "192.0.2.1" });
  expect(JSON.parse(`${entry?.after}`)).toMatchObject({ account: anna.accountId, asked_by: anna.userId });
});

test("a challenge is for one node, for an hour, and until there is another", async () => {
  await using on = await network();
  const anna = await on.account("anna");
  const challenge = await on.challenge(anna);
  const both = await Promise.all([on.link(ONE, challenge), on.link(TWO, challenge)]);
  expect(both.toSorted()).toEqual(["anna", "link_code_invalid"]);
  const replaced = await on.challenge(anna);
  const latest = await on.challenge(anna);
  expect(await on.link(TWO, replaced)).toBe("link_code_invalid");
  on.clock.advance(3_600_000);
  expect(await on.link(TWO, latest)).toBe("link_code_invalid");
});

test("a challenge that was changed, made up, or is another coordinator's links nothing", async () => {
  await using on = await network();
  const [anna, eve] = [await on.account("anna"), await on.account("eve")];
  const challenge = await on.challenge(anna);
  expect(await on.link(ONE, { ...challenge, account: eve.accountId })).toBe("link_code_invalid");
  expect(await on.link(ONE, { ...challenge, nonce: "0".repeat(64) })).toBe("link_code_invalid");
  expect(await on.link(ONE, { ...challenge, coordinator: pubkeyOf(TWO) })).toBe("link_code_invalid");
  expect(await on.link(ONE, challenge, { ...challenge, account: eve.accountId })).toBe("bad_signature");
  expect(await nodesOfAccount(on.deps, anna.accountId)).toEqual([]);
});

test("a challenge is worth nothing once whoever asked for it may not act for the account", async () => {
  await using on = await network();
  const [anna, eve] = [await on.account("anna"), await on.account("eve")];
  const made = await createOrganisation(on.deps, { userId: anna.userId, name: "Acme" }, by);
  const accountId = made.ok ? made.value.id : "";
  await on.db.writer.transact((tx) =>
    tx.insert(members).values({ accountId, userId: eve.userId, role: "member", createdMs: 0 }),
  );
  const challenge = await on.challenge({ accountId, userId: eve.userId });
  await setMember(on.deps, { accountId, userId: eve.userId, role: null }, by);
  expect(await on.link(ONE, challenge)).toBe("link_code_invalid");
  const own = await on.challenge(eve);
  await setUserDisabled(on.deps, eve.userId, true, by);
  expect(await on.link(ONE, own)).toBe("link_code_invalid");
  expect(await on.link(ONE, await on.challenge({ accountId, userId: anna.userId }))).toBe("Acme");
});

test("only nodes that were let in, and serve, are linked", async () => {
  await using on = await network();
  const anna = await on.account("anna");
  expect(await on.link(secret(9), await on.challenge(anna))).toBe("node_unknown");
  await ejectNode({ db: on.db, clock: on.clock, by }, pubkeyOf(TWO), "");
  expect(await on.link(TWO, await on.challenge(anna))).toBe("node_unknown");
  await allowNode({ db: on.db, clock: on.clock, by }, pubkeyOf(secret(8)), { role: "client" });
  expect(await on.link(secret(8), await on.challenge(anna))).toBe("role_not_allowed");
});

test("one node belongs to one account, until one of the two says otherwise", async () => {
  await using on = await network();
  const [anna, eve] = [await on.account("anna"), await on.account("eve")];
  await on.link(ONE, await on.challenge(anna));
  expect(await on.link(ONE, await on.challenge(eve))).toBe("linked_elsewhere");
  expect(await on.link(ONE, await on.challenge(anna))).toBe("anna");
  const pubkey = pubkeyOf(ONE);
  expect(await unlinkNode(on.deps, { pubkey, accountId: eve.accountId }, by)).toEqual({
    ok: false,
    error: "not_linked",
  });
  expect((await unlinkNode(on.deps, { pubkey, accountId: anna.accountId }, by)).ok).toBe(true);
  expect(await unlinkNode(on.deps, { pubkey }, by)).toEqual({ ok: false, error: "not_linked" });
  expect(await on.link(ONE, await on.challenge(eve))).toBe("eve");
});

test("what an account asked of its node is not done for whoever has the node next", async () => {
  await using on = await network();
  const [anna, eve] = [await on.account("anna"), await on.account("eve")];
  const node = pubkeyOf(ONE);
  const ask = async (accountId: string) => {
    const wanted = { node, command: "configure", args: { terms: { price_output: 1 } }, accountId } as const;
    const issued = await issueCommand({ ...on, newId: () => Bun.randomUUIDv7() }, wanted);
    return issued.ok ? issued.value.id : issued.error;
  };
  await on.link(ONE, await on.challenge(anna));
  const [sent, waiting, admins] = [await ask(anna.accountId), await ask(anna.accountId), await ask(LOCAL_ACCOUNT_ID)];
  await markDelivered(on, node, [sent]);
  expect((await unlinkNode(on.deps, { pubkey: node, accountId: anna.accountId }, by)).ok).toBe(true);
  await on.link(ONE, await on.challenge(eve));
  const hers = await ask(eve.accountId);
  const open = await openCommands(on, node);
  expect(open.map(({ id, cancelling }) => [id, cancelling])).toEqual([
    [sent, true],
    [admins, false],
    [hers, false],
  ]);
  expect((await commandsByIds(on, [waiting]))[0]).toMatchObject({ state: "cancelled", endedMs: on.clock.nowMs() });
});
