// Commands, stored half: what nodes were asked to do beside inference, and how each ended. Every step is one conditional
// write, so that an end is stored once however often it is told, and coordinators on one database agree.
import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, lte, or } from "drizzle-orm";
import { type AuditValue, audit } from "../accounts/audit.ts";
import { type Caller, SYSTEM_CALLER } from "../accounts/caller.ts";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import type { Drizzle } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Command, CommandArgs, CommandEnd } from "../protocol/commands.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { TermsChange } from "../protocol/terms.ts";
import { type CommandRow, commands, type NodeRow, nodes } from "./schema.ts";

/** Commands of one node that have not ended. */
export const MAX_OPEN_COMMANDS = 32;
/** A command is delivered for so long; longer while its node says how far it is (`extendCommands`). */
export const COMMAND_TTL_MS = 24 * 60 * 60 * 1000;
/** Ended commands are kept for so long. */
const HISTORY_MS = 30 * COMMAND_TTL_MS;
/** A polling node that was given a command and said nothing for so long is given it again. */
const POLL_AGAIN_MS = 60 * 60 * 1000;
const OPEN_STATES = ["queued", "running"] as const;
/** What the polling protocol has words for. */
const POLLED = ["model_install", "model_remove"] as const;

type Deps = { db: Db; clock: Clock };
/** `by`: who asks, for the audit log. */
type AskedDeps = Deps & { by?: Caller };

export type NewCommand = {
  node: Pubkey;
  command: Command;
  args: CommandArgs;
  /** Who asks: the built-in account of any node, another of its own. */
  accountId: string;
  /** Its program is known to be older than the command. */
  tooOld?: boolean;
};
export type IssueRefusal =
  | "node_unknown"
  /** It waits for approval, or was ejected. */
  | "node_not_approved"
  /** It holds no link, and its protocol has no word for this command. */
  | "no_word_for_it"
  /** Its program is older than this command. */
  | "too_old"
  /** `MAX_OPEN_COMMANDS` wait there. */
  | "too_many";

const hasWordFor = (transport: NodeRow["transport"], command: Command): boolean =>
  transport === "link" || (transport === "polling" && POLLED.some((one) => one === command));

/** Admins ask in the name of the built-in account. */
const mayCommand = (accountId: string, node: Pick<NodeRow, "accountId">): boolean =>
  accountId === LOCAL_ACCOUNT_ID || node.accountId === accountId;

const open = inArray(commands.state, OPEN_STATES);

/**
 * Stores a command, to be delivered. Durable. The arguments have been checked (protocol's `wrongArgs`). What is asked of a
 * model already is not asked twice: a button may be pressed twice.
 */
export async function issueCommand(
  { db, clock, newId, by = SYSTEM_CALLER }: AskedDeps & { newId: () => string },
  { node, command, args, accountId, tooOld = false }: NewCommand,
): Promise<Result<CommandRow, IssueRefusal>> {
  return await db.writer.transact(async (tx) => {
    const known = await tx.select().from(nodes).where(eq(nodes.pubkey, node)).get();
    if (known === undefined || !mayCommand(accountId, known)) return err("node_unknown");
    if (known.status !== "approved" || known.role !== "provider") return err("node_not_approved");
    if (!hasWordFor(known.transport, command)) return err("no_word_for_it");
    if (tooOld) return err("too_old");
    const here = await tx
      .select()
      .from(commands)
      .where(and(eq(commands.nodePubkey, node), open));
    const same = sameAsked(here, command, args.model);
    if (same !== undefined) return ok(same);
    if (here.length >= MAX_OPEN_COMMANDS) return err("too_many");
    const nowMs = clock.nowMs();
    const made = { id: newId(), nodePubkey: node, command, args, state: "queued", accountId } as const;
    const [stored] = await tx
      .insert(commands)
      .values({ ...made, createdMs: nowMs, expiresMs: nowMs + COMMAND_TTL_MS })
      .returning();
    if (stored === undefined) throw new Error("an insert returned no row");
    const terms = args.terms === undefined ? {} : { terms: toldTerms(args.terms) };
    const after = { id: stored.id, command, model: args.model ?? null, ...terms };
    await audit(tx, { ...by, atMs: nowMs, action: "command.issued", subject: `node/${node}`, after });
    return ok(stored);
  });
}

/** The newest that is open about the model, where it is this and nobody wants it stopped. */
function sameAsked(here: readonly CommandRow[], command: Command, model: string | undefined): CommandRow | undefined {
  if (model === undefined) return undefined;
  const newest = here
    .filter(({ args }) => args.model === model)
    .toSorted(byAge)
    .at(-1);
  return newest?.command === command && !newest.cancelling ? newest : undefined;
}

/** Prices as rows: names in them are strangers'. */
const toldTerms = ({ prices, ...others }: TermsChange): AuditValue =>
  ({ ...others, ...(prices === undefined ? {} : { prices: Object.entries(prices) }) }) as AuditValue;

/**
 * Notes that these are about to be sent, before they are, so that a `queued` one is certain never to have left. Gives
 * the rows that are still to be done, the oldest first.
 */
export async function markDelivered({ db, clock }: Deps, node: Pubkey, ids: readonly string[]): Promise<CommandRow[]> {
  const nowMs = clock.nowMs();
  const rows = await db.writer.transact((tx) =>
    tx
      .update(commands)
      .set({ state: "running", deliveredMs: nowMs })
      .where(and(eq(commands.nodePubkey, node), inArray(commands.id, [...ids]), open, gt(commands.expiresMs, nowMs)))
      .returning(),
  );
  return rows.toSorted(byAge);
}
const byAge = (a: CommandRow, b: CommandRow): number => a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1);

/** What the node has still to do or to tell the end of, the oldest first. */
export async function openCommands({ db, clock }: Deps, node: Pubkey): Promise<CommandRow[]> {
  return await db.read
    .select()
    .from(commands)
    .where(and(eq(commands.nodePubkey, node), open, gt(commands.expiresMs, clock.nowMs())))
    .orderBy(asc(commands.createdMs), asc(commands.id));
}

/** The nodes for which something waits that was never sent, or a cancellation. */
export async function nodesWithNews({ db }: { db: Db }): Promise<Set<string>> {
  const news = or(eq(commands.state, "queued"), and(eq(commands.state, "running"), eq(commands.cancelling, true)));
  const rows = await db.read.selectDistinct({ node: commands.nodePubkey }).from(commands).where(news);
  return new Set(rows.map(({ node }) => node));
}

/** For nodes that poll: what they are to do now, at most `limit`; each is theirs from then on. */
export async function nextCommands(deps: Deps, node: Pubkey, limit: number): Promise<CommandRow[]> {
  const { db, clock } = deps;
  const silent = lte(commands.deliveredMs, clock.nowMs() - POLL_AGAIN_MS);
  const due = or(eq(commands.state, "queued"), and(eq(commands.state, "running"), silent));
  const rows = await db.read
    .select({ id: commands.id })
    .from(commands)
    .where(
      and(
        eq(commands.nodePubkey, node),
        due,
        eq(commands.cancelling, false),
        inArray(commands.command, POLLED),
        gt(commands.expiresMs, clock.nowMs()),
      ),
    )
    .orderBy(asc(commands.createdMs), asc(commands.id))
    .limit(limit);
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  return await markDelivered(deps, node, ids);
}

/**
 * Stores how a command ended. The WHERE clause is the fence: only the node it was given to, and only once. `stored`
 * says whether it was this call. Durable.
 */
export async function endCommand(
  { db, clock }: Deps,
  node: Pubkey,
  id: string,
  end: CommandEnd,
): Promise<Result<{ row: CommandRow; stored: boolean }, "command_unknown">> {
  const mine = and(eq(commands.id, id), eq(commands.nodePubkey, node));
  // Read first, since an end is told again and again until it is acknowledged.
  const known = await db.read.select().from(commands).where(mine).get();
  if (known === undefined) return err("command_unknown");
  if (known.endedMs !== null) return ok({ row: known, stored: false });
  const { outcome, error } = end;
  return await db.writer.transact(async (tx) => {
    const [ended] = await tx
      .update(commands)
      .set({ state: outcome, error, endedMs: clock.nowMs() })
      .where(and(mine, open))
      .returning();
    return ok({
      row: ended ?? (await tx.select().from(commands).where(mine).get()) ?? known,
      stored: ended !== undefined,
    });
  });
}

/**
 * Wants a command stopped, of any node or of this account's. One that was never sent is `cancelled` at once; of one that
 * was, the node is asked and says how it ended. Durable.
 */
export async function cancelCommand(
  { db, clock, by = SYSTEM_CALLER }: AskedDeps,
  id: string,
  accountId = LOCAL_ACCOUNT_ID,
): Promise<Result<CommandRow, "command_unknown" | "command_ended">> {
  return await db.writer.transact(async (tx) => {
    const nowMs = clock.nowMs();
    const node = await tx
      .select({ accountId: nodes.accountId })
      .from(commands)
      .innerJoin(nodes, eq(nodes.pubkey, commands.nodePubkey))
      .where(eq(commands.id, id))
      .get();
    if (node === undefined || !mayCommand(accountId, node)) return err("command_unknown");
    const cancelled = async (row: CommandRow) => {
      const subject = `node/${row.nodePubkey}`;
      await audit(tx, { ...by, atMs: nowMs, action: "command.cancelled", subject, after: { id } });
      return ok(row);
    };
    const [gone] = await tx
      .update(commands)
      .set({ state: "cancelled", cancelling: true, endedMs: nowMs })
      .where(and(eq(commands.id, id), eq(commands.state, "queued")))
      .returning();
    if (gone !== undefined) return await cancelled(gone);
    const [asked] = await tx
      .update(commands)
      .set({ cancelling: true })
      .where(and(eq(commands.id, id), eq(commands.state, "running")))
      .returning();
    if (asked !== undefined) return await cancelled(asked);
    return err("command_ended");
  });
}

/**
 * Wants stopped what an account asked of a node that it gives up: never sent, it is `cancelled` at once; sent, the node is
 * asked. Else it would be done for whoever has the node next. In the transaction that takes it away.
 */
export async function dropCommands(
  tx: Drizzle,
  { node, accountId, nowMs }: { node: Pubkey; accountId: string; nowMs: number },
): Promise<void> {
  const theirs = and(eq(commands.nodePubkey, node), eq(commands.accountId, accountId));
  const error = "whoever asked for it has the node no more";
  await tx
    .update(commands)
    .set({ state: "cancelled", cancelling: true, error, endedMs: nowMs })
    .where(and(theirs, eq(commands.state, "queued")));
  await tx
    .update(commands)
    .set({ cancelling: true })
    .where(and(theirs, eq(commands.state, "running")));
}

/** The newest first, by their ids; those of one node, or older than one, where it is given. */
export async function listCommands(
  { db }: { db: Db },
  limit: number,
  { node, before }: { node?: Pubkey; before?: string } = {},
): Promise<CommandRow[]> {
  const wanted = and(
    node === undefined ? undefined : eq(commands.nodePubkey, node),
    before === undefined ? undefined : lt(commands.id, before),
  );
  return await db.read.select().from(commands).where(wanted).orderBy(desc(commands.id)).limit(limit);
}

/** Those of these ids that there are, in no order. */
export async function commandsByIds({ db }: { db: Db }, ids: readonly string[]): Promise<CommandRow[]> {
  return await db.read
    .select()
    .from(commands)
    .where(inArray(commands.id, [...ids]));
}

/** Gives those that are worked on another day. */
export async function extendCommands({ db, clock }: Deps, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.writer.transact((tx) =>
    tx
      .update(commands)
      .set({ expiresMs: clock.nowMs() + COMMAND_TTL_MS })
      .where(and(inArray(commands.id, [...ids]), open)),
  );
}

/** Ends what nobody did in time, and forgets what ended long ago. Gives the number of the expired. */
export async function expireCommands({ db, clock }: Deps): Promise<number> {
  const nowMs = clock.nowMs();
  const late = and(open, lte(commands.expiresMs, nowMs));
  const old = and(isNotNull(commands.endedMs), lte(commands.endedMs, nowMs - HISTORY_MS));
  const some = await db.read.select({ id: commands.id }).from(commands).where(or(late, old)).limit(1);
  if (some.length === 0) return 0;
  return await db.writer.transact(async (tx) => {
    await tx.delete(commands).where(old);
    return (await expire(tx, nowMs, "queued")) + (await expire(tx, nowMs, "running"));
  });
}

const WHY_EXPIRED = {
  queued: "the node did not come to fetch it within a day",
  running: "the node did not say within a day how it ended",
} as const;

async function expire(tx: Drizzle, nowMs: number, state: keyof typeof WHY_EXPIRED): Promise<number> {
  const expired = await tx
    .update(commands)
    .set({ state: "expired", error: WHY_EXPIRED[state], endedMs: nowMs })
    .where(and(eq(commands.state, state), isNull(commands.endedMs), lte(commands.expiresMs, nowMs)))
    .returning({ id: commands.id });
  return expired.length;
}
