// Receipts: `/my/receipts`, those that the account's nodes have, and those of what the account paid; to be read, and taken
// away as files that verify without asking anybody.
import type { ReceiptLine } from "../../../web/pages/money/receipts.tsx";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { clientLedger } from "../../ledger/ledger.ts";
import { accountReceiptRows, jobReceiptRows, nodeReceiptRows, type ReceiptRow } from "../../ledger/receipt-rows.ts";
import { findReceipts, type IssuedReceipt } from "../../ledger/receipts.ts";
import { attemptIdSchema } from "../../protocol/frames.ts";
import { uuidSchema } from "../../protocol/primitives.ts";
import { type AccountNode, accountNode, accountNodes } from "../../registry/account-nodes.ts";
import { type ExportCursor, exportPage, receiptDocument } from "../../settlement/receipt-export.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { isAdmin, viewerOf } from "../viewer.ts";
import { moneyRoute } from "./open.ts";
import { daysOf } from "./period.ts";

export const receiptPages = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: "/my/receipts",
    summary: "Receipts of the account's nodes (of=node), and of what it paid (of=paid).",
    handle: (call) => list(deps, call),
  }),
  moneyRoute(deps, {
    path: "/my/receipts/export",
    summary: "The same as a file of JSON lines, as `infernet receipts export` writes it.",
    answers: "application/jsonl",
    handle: (call) => download(deps, call),
  }),
  moneyRoute(deps, {
    path: "/my/receipts/:attempt",
    summary: "One receipt as a file, with all that verifies it.",
    answers: "application/json",
    handle: (call) => one(deps, call),
  }),
];

const ROWS = 25;
/** Nodes to choose from. */
const MOST_NODES = 200;

type Side = "node" | "paid";
type Asked = {
  side: Side;
  /** Of `side` node: whose chain. */
  node: string | null;
  nodes: readonly AccountNode[];
  job: string;
};

async function askedOf(deps: DashboardDeps, { human, query }: SignedInCall): Promise<Asked> {
  const accountId = human.account.id;
  const nodes = await accountNodes(deps.db, accountId, MOST_NODES);
  const of = query.get("of");
  const wanted = query.get("node")?.slice(0, 64) ?? "";
  const side = of === "paid" || (of !== "node" && wanted === "" && nodes.length === 0) ? "paid" : "node";
  const node = wanted === "" ? nodes[0] : await accountNode(deps.db, accountId, wanted);
  return { side, node: node?.pubkey ?? null, nodes, job: (query.get("job") ?? "").trim().slice(0, 64) };
}

async function list(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const [{ Receipts }, asked] = await Promise.all([
    import("../../../web/pages/money/receipts.tsx"),
    askedOf(deps, call),
  ]);
  const days = daysOf(call, deps.clock.nowMs());
  const found = await rowsOf(deps, call, asked);
  const shown = found.slice(0, ROWS);
  const last = shown.at(-1);
  const at = (after: string | null): string => {
    const query = new URLSearchParams({ of: asked.side });
    if (asked.side === "node" && asked.node !== null) query.set("node", asked.node);
    for (const [name, value] of Object.entries({ job: asked.job, from: days.from, to: days.to, after }))
      if (value) query.set(name, value);
    return `?${query}`;
  };
  const cursor = last && (asked.side === "paid" ? last.attempt : `${last.seq}`);
  const page = Receipts({
    ...{ viewer: viewerOf(deps, call), ...asked, from: days.from, to: days.to, why: days.why },
    rows: shown.map(receiptLine),
    // The jobs of others are not a node's owner's to see.
    jobs: asked.side === "paid" || isAdmin(call.human),
    newer: call.query.has("after") ? `/my/receipts${at(null)}` : null,
    older: found.length > ROWS && cursor ? `/my/receipts${at(cursor)}` : null,
    file: `/my/receipts/export${at(null)}`,
  });
  return pageAnswer(call.request, page);
}

/** One more than a page has, where there are more. */
async function rowsOf(deps: DashboardDeps, call: SignedInCall, asked: Asked): Promise<ReceiptRow[]> {
  const { period } = daysOf(call, deps.clock.nowMs());
  const span = { fromMs: period?.fromMs ?? null, toMs: period?.toMs ?? null };
  const after = call.query.get("after");
  const account = clientLedger(call.human.account.id);
  if (asked.job !== "") return await rowsOfJob(deps, asked, call.human.account.id);
  if (asked.side === "paid") {
    const before = attemptIdSchema.safeParse(after).success ? after : null;
    return await accountReceiptRows(deps.db, account, { span, before, limit: ROWS + 1 });
  }
  const below = /^\d{1,15}$/.test(after ?? "") ? Number(after) : null;
  return asked.node === null ? [] : await nodeReceiptRows(deps.db, asked.node, { span, below, limit: ROWS + 1 });
}

async function rowsOfJob({ db }: DashboardDeps, { side, job }: Asked, accountId: string): Promise<ReceiptRow[]> {
  if (!uuidSchema.safeParse(job).success) return [];
  const rows = await jobReceiptRows(db, job);
  if (side === "paid") return rows.filter(({ account }) => account === clientLedger(accountId));
  const mine = await Promise.all(rows.map(({ node }) => accountNode(db, accountId, node)));
  return rows.filter((_, i) => mine[i] !== null);
}

const receiptLine = (row: ReceiptRow): ReceiptLine => ({
  ...{ node: row.node, seq: row.seq, attempt: row.attempt, model: row.model, finishedMs: row.finishedMs },
  ...{ gross: BigInt(row.gross), nodeAmount: BigInt(row.nodeAmount), fee: BigInt(row.fee) },
  ...{ countersigned: row.countersigned, paid: row.payoutId },
});

/** Whoever paid it gets the salt, too, with which request and answer are proved. */
async function one(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const attempt = call.params.attempt ?? "";
  const known = attemptIdSchema.safeParse(attempt).success;
  const [issued] = known ? await findReceipts(deps, { attempt }) : [];
  const standing = issued && (await standingOf(deps, call, issued));
  if (!issued || !standing) return await notFound(deps, call, call.human, "receipt");
  const document = await receiptDocument(deps.archive, [issued], { salts: standing === "paid" });
  return file(`receipt-${attempt}.json`, "application/json", `${JSON.stringify(document, null, 2)}\n`);
}

async function standingOf(
  deps: DashboardDeps,
  { human }: SignedInCall,
  { account, node }: IssuedReceipt,
): Promise<Side | null> {
  if (account === clientLedger(human.account.id)) return "paid";
  return (await accountNode(deps.db, human.account.id, node)) ? "node" : null;
}

const LINES = 500;

/** As far as it was asked for: one node's chain, or what the account paid, from a day on. */
async function download(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const asked = await askedOf(deps, call);
  const { period } = daysOf(call, deps.clock.nowMs());
  if (asked.side === "node" && asked.node === null) return await notFound(deps, call, call.human, "node");
  const filter = {
    ...(asked.side === "paid" ? { account: clientLedger(call.human.account.id) } : { node: asked.node ?? "" }),
    ...(period === null ? {} : { sinceMs: period.fromMs, untilMs: period.toMs }),
  };
  // The salt is for whoever may know the requests.
  const salts = asked.side === "paid";
  let after: ExportCursor | null = null;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const page = await exportPage(deps.archive, { ...filter, after, limit: LINES }, { salts });
      const text = page.lines.map((line) => `${JSON.stringify(line)}\n`).join("");
      if (text !== "") controller.enqueue(new TextEncoder().encode(text));
      after = page.next;
      if (after === null) controller.close();
    },
  });
  return file("receipts.jsonl", "application/jsonl", body);
}

const file = (name: string, type: string, body: string | ReadableStream<Uint8Array>): Response =>
  new Response(body, {
    headers: {
      "content-type": type,
      "content-disposition": `attachment; filename="${name}"`,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
