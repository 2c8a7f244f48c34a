import { expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { accounts } from "../accounts/schema.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import type { Command } from "../protocol/commands.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import {
  COMMAND_TTL_MS,
  cancelCommand,
  commandsByIds,
  endCommand,
  expireCommands,
  extendCommands,
  issueCommand,
  listCommands,
  MAX_OPEN_COMMANDS,
  markDelivered,
  nextCommands,
  nodesWithNews,
  openCommands,
} from "./commands.ts";
import { allowNode, ejectNode } from "./nodes.ts";
import { nodes } from "./schema.ts";

const key = (n: number): Pubkey => pubkeySchema.parse(n.toString(16).padStart(64, "0"));
const NODE = key(1);
const OTHER = key(2);
const COMPLETED = { outcome: "completed", error: null } as const;

async function stage() {
  const made = await testDatabase();
  const deps = { db: made.db, clock: manualClock(), newId: () => Bun.randomUUIDv7() };
  await allowNode(deps, NODE);
  await allowNode(deps, OTHER);
  const issue = async (command: Command = "refresh", node = NODE, model?: string) => {
    const args = model === undefined ? {} : { model };
    const issued = await issueCommand(deps, { node, command, args, accountId: "local" });
    if (!issued.ok) throw new Error(issued.error);
    return issued.value.id;
  };
  const stateOf = async (id: string) => (await commandsByIds(deps, [id]))[0]?.state;
  return { ...deps, deps, issue, stateOf, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

test("a command is for a node that works here, and for as many as it can do in a while", async () => {
  await using on = await stage();
  const refused = (node: Pubkey, command: Command = "refresh") =>
    issueCommand(on.deps, { node, command, args: {}, accountId: "local" });
  expect(await refused(key(9))).toEqual({ ok: false, error: "node_unknown" });
  await allowNode(on, key(3), { role: "client" });
  expect(await refused(key(3))).toEqual({ ok: false, error: "node_not_approved" });
  await ejectNode(on, OTHER, "");
  expect(await refused(OTHER)).toEqual({ ok: false, error: "node_not_approved" });
  await Promise.all(Array.from({ length: MAX_OPEN_COMMANDS + 5 }, () => on.issue().catch(() => null)));
  expect((await openCommands(on, NODE)).length).toBe(MAX_OPEN_COMMANDS);
  expect(await refused(NODE)).toEqual({ ok: false, error: "too_many" });
});

test("what is asked of a model already is not asked twice, unless something else was asked of it since", async () => {
  await using on = await stage();
  const install = () => on.issue("model_install", NODE, "a");
  const first = await install();
  expect([await install(), await install()]).toEqual([first, first]);
  expect(await on.issue("model_install", NODE, "b")).not.toBe(first);
  expect(await on.issue("model_install", OTHER, "a")).not.toBe(first);
  const removed = await on.issue("model_remove", NODE, "a");
  const second = await install();
  expect(second).not.toBe(first);
  await cancelCommand(on, second);
  expect(await install()).not.toBe(second);
  expect(await on.stateOf(removed)).toBe("queued");
});

test("a program that is older than a command is not asked, and whoever has no right to it does not learn of it", async () => {
  await using on = await stage();
  const args = { terms: { slots: 1 } };
  const asked = (accountId: string, tooOld: boolean) =>
    issueCommand(on.deps, { node: NODE, command: "configure", args, accountId, tooOld });
  expect(await asked("acc_1", true)).toEqual({ ok: false, error: "node_unknown" });
  expect(await asked("local", true)).toEqual({ ok: false, error: "too_old" });
  expect(await asked("local", false)).toMatchObject({ ok: true, value: { args } });
});

test("an account commands its own nodes, and of others it does not learn that they are there", async () => {
  await using on = await stage();
  await on.deps.db.writer.transact(async (tx) => {
    await tx.insert(accounts).values({ id: "acc_1", kind: "user", name: "Opal", createdMs: 0 });
    await tx.update(nodes).set({ accountId: "acc_1" }).where(eq(nodes.pubkey, OTHER));
  });
  const asked = (node: Pubkey, accountId: string) =>
    issueCommand(on.deps, { node, command: "refresh", args: {}, accountId });
  expect(await asked(NODE, "acc_1")).toEqual({ ok: false, error: "node_unknown" });
  expect(await asked(OTHER, "acc_1")).toMatchObject({ ok: true, value: { accountId: "acc_1" } });
  const id = await on.issue("drain", OTHER);
  const foreign = await on.issue("drain", NODE);
  expect(await cancelCommand(on, foreign, "acc_1")).toEqual({ ok: false, error: "command_unknown" });
  expect(await on.stateOf(foreign)).toBe("queued");
  expect(await cancelCommand(on, id, "acc_1")).toMatchObject({ ok: true, value: { state: "cancelled" } });
});

test("the list goes from the newest on, of one node or of all, a page at a time", async () => {
  await using on = await stage();
  const ids = [await on.issue("drain"), await on.issue("resume", OTHER), await on.issue("refresh")].reverse();
  const listed = async (limit: number, of = {}) => (await listCommands(on, limit, of)).map(({ id }) => id);
  expect(await listed(10)).toEqual(ids);
  expect(await listed(1, { before: ids[0] })).toEqual(ids.slice(1, 2));
  expect(await listed(10, { node: OTHER })).toEqual(ids.slice(1, 2));
});

test("commands go out in the order in which they were issued, and are `running` before they leave", async () => {
  await using on = await stage();
  const ids = [await on.issue("drain"), await on.issue("resume"), await on.issue("refresh")];
  expect((await openCommands(on, NODE)).map(({ id }) => id)).toEqual(ids);
  expect((await nodesWithNews(on)).has(NODE)).toBe(true);
  const marked = await markDelivered(on, NODE, ids);
  expect(marked.map(({ id, state }) => [id, state])).toEqual(ids.map((id) => [id, "running"]));
  expect((await nodesWithNews(on)).size).toBe(0);
  expect(await markDelivered(on, OTHER, ids)).toEqual([]);
});

test("an end is stored once, whoever tells it how often, and only by the node it was given to", async () => {
  await using on = await stage();
  const id = await on.issue();
  await markDelivered(on, NODE, [id]);
  expect(await endCommand(on, OTHER, id, COMPLETED)).toEqual({ ok: false, error: "command_unknown" });
  const told = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      endCommand(on, NODE, id, n % 2 === 0 ? COMPLETED : { outcome: "failed", error: "x" }),
    ),
  );
  expect(told.filter((one) => one.ok && one.value.stored)).toHaveLength(1);
  const first = await on.stateOf(id);
  expect(await endCommand(on, NODE, id, { outcome: "refused", error: "late" })).toMatchObject({
    ok: true,
    value: { stored: false, row: { state: first } },
  });
});

test("cancelled before it left it is over; afterwards its node says how it ended", async () => {
  await using on = await stage();
  const [queued, sent] = [await on.issue(), await on.issue()];
  await markDelivered(on, NODE, [sent]);
  expect(await cancelCommand(on, queued)).toMatchObject({ ok: true, value: { state: "cancelled" } });
  expect(await cancelCommand(on, sent)).toMatchObject({ ok: true, value: { state: "running", cancelling: true } });
  expect((await nodesWithNews(on)).has(NODE)).toBe(true);
  expect(await markDelivered(on, NODE, [queued])).toEqual([]);
  await endCommand(on, NODE, sent, COMPLETED);
  expect(await on.stateOf(sent)).toBe("completed");
  expect(await cancelCommand(on, sent)).toEqual({ ok: false, error: "command_ended" });
  expect(await cancelCommand(on, "?")).toEqual({ ok: false, error: "command_unknown" });
});

test("what nobody did within a day expires, what is worked on does not, and old ends are forgotten", async () => {
  await using on = await stage();
  const [queued, sent, worked] = [await on.issue(), await on.issue(), await on.issue()];
  await markDelivered(on, NODE, [sent, worked]);
  on.clock.advance(COMMAND_TTL_MS - 1);
  await extendCommands(on, [worked]);
  expect(await expireCommands(on)).toBe(0);
  on.clock.advance(1);
  expect(await openCommands(on, NODE)).toMatchObject([{ id: worked }]);
  expect(await expireCommands(on)).toBe(2);
  expect(await commandsByIds(on, [queued, sent])).toMatchObject([{ state: "expired" }, { state: "expired" }]);
  expect(await on.stateOf(worked)).toBe("running");
  expect(await endCommand(on, NODE, sent, COMPLETED)).toMatchObject({ value: { stored: false } });
  on.clock.advance(31 * COMMAND_TTL_MS);
  await expireCommands(on);
  expect((await listCommands(on, 10)).map(({ id }) => id)).toEqual([worked]);
});

test("a polling node is given each command once, and again when it was silent for an hour", async () => {
  await using on = await stage();
  await on.db.writer.transact((tx) => tx.update(nodes).set({ transport: "polling" }));
  const drain = { node: NODE, command: "drain", args: {}, accountId: "local" } as const;
  expect(await issueCommand(on.deps, drain)).toEqual({ ok: false, error: "no_word_for_it" });
  const ids = [await on.issue("model_install", NODE, "a"), await on.issue("model_remove", NODE, "b")];
  const polled = async (limit = 5) => (await nextCommands(on, NODE, limit)).map(({ id }) => id);
  expect(await polled(1)).toEqual(ids.slice(0, 1));
  expect(await polled()).toEqual(ids.slice(1));
  expect(await polled()).toEqual([]);
  expect(await nextCommands(on, OTHER, 5)).toEqual([]);
  await endCommand(on, NODE, ids[0] ?? "", COMPLETED);
  on.clock.advance(60 * 60 * 1000);
  expect(await polled()).toEqual(ids.slice(1));
  await cancelCommand(on, ids[1] ?? "");
  on.clock.advance(60 * 60 * 1000);
  expect(await polled()).toEqual([]);
});
