// Payouts: `/admin/money/payouts`, payments of nodes on the chain: those that are stuck, why, and what to do.

import type { Fault } from "../../../web/parts/field.tsx";
import type { AdminError } from "../../admin/operations.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import type { Result } from "../../lib/result.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { nodeName } from "../../registry/account-nodes.ts";
import { payoutJson } from "../../settlement/desk.ts";
import { attemptsOf, getPayout } from "../../settlement/payouts.ts";
import { PAYOUT_STATES } from "../../settlement/schema.ts";
import { doneAnswer, pageAnswer, toastAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";
import { payoutLine } from "./earnings.ts";
import { fieldsOf } from "./form.ts";
import { moneyRoute } from "./open.ts";

const PATH = "/admin/money/payouts";
const load = () => import("../../../web/pages/money/payouts.tsx");

export const payoutPages = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: PATH,
    summary: "Payouts, by state.",
    admin: true,
    handle: (call) => list(deps, call),
  }),
  moneyRoute(deps, {
    path: `${PATH}/reclaim`,
    summary: "Takes back the rent of markers of payouts that ended a week ago.",
    admin: true,
    act: true,
    handle: (call) => reclaim(deps, call),
  }),
  moneyRoute(deps, {
    path: `${PATH}/:id`,
    summary: "One payout: who pays it, its transaction, why it waits.",
    admin: true,
    handle: (call) => show(deps, call),
  }),
  moneyRoute(deps, {
    path: `${PATH}/:id/retry`,
    summary: "Has a stuck payout tried now.",
    admin: true,
    act: true,
    handle: async (call) =>
      answered(call, await deps.admin.retryPayout({ id: call.params.id ?? "" }, callerOf(call)), "Tried again"),
  }),
  moneyRoute(deps, {
    path: `${PATH}/:id/write-off`,
    summary: "Gives a stuck payout up: its node is not paid for those receipts.",
    admin: true,
    act: true,
    handle: (call) => writeOff(deps, call),
  }),
];

const ROWS = 25;

async function list(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { query } = call;
  const state = PAYOUT_STATES.find((known) => known === query.get("state"));
  const node = pubkeySchema.safeParse(query.get("node"));
  const before = /^[0-9a-f]{32}$/.exec(query.get("after") ?? "")?.[0];
  const filter = { ...(state ? { state } : {}), ...(node.success ? { node: node.data } : {}) };
  const [{ Payouts }, found] = await Promise.all([
    load(),
    deps.admin.listPayouts({ ...filter, limit: ROWS + 1, ...(before === undefined ? {} : { before }) }),
  ]);
  const all = found.ok ? found.value.payouts : [];
  const shown = all.slice(0, ROWS);
  const at = (after: string | null): string =>
    `${PATH}?${new URLSearchParams({ ...filter, ...(after === null ? {} : { after }) })}`;
  const last = shown.at(-1);
  const page = Payouts({
    ...{ viewer: viewerOf(deps, call), state: state ?? "", rows: shown.map(payoutLine) },
    newer: before === undefined ? null : at(null),
    older: all.length > ROWS && last ? at(last.id) : null,
  });
  return pageAnswer(call.request, page);
}

type Form = { typed: string; fault: Fault | null };

async function show(
  deps: DashboardDeps,
  call: SignedInCall,
  form: Form = { typed: "", fault: null },
  status = 200,
): Promise<Response> {
  const id = /^[0-9a-f]{32}$/.exec(call.params.id ?? "")?.[0];
  const row = id === undefined ? undefined : await getPayout(deps, id);
  if (!row) return await notFound(deps, call, call.human, "payout");
  const [{ PayoutPage }, told, attempts, name] = await Promise.all([
    load(),
    payoutJson(deps, row),
    attemptsOf(deps, row.id),
    nodeName(deps.db, row.node),
  ]);
  const node = pubkeySchema.parse(row.node);
  const page = PayoutPage({
    ...{ viewer: viewerOf(deps, call), root: row.root, form },
    payout: payoutLine({ ...told, node, node_name: name, attempts: attempts.length }),
    legs: told.legs.map(({ source, node_amount, fee }) => ({ source, amount: BigInt(node_amount), fee: BigInt(fee) })),
    attempts: attempts.map(({ signature, state, error, createdMs }) => ({ signature, state, error, createdMs })),
  });
  return pageAnswer(call.request, page, { status });
}

/** Signs of the id that are typed to confirm. */
const TYPED = 8;

async function writeOff(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const fields = fieldsOf(call);
  const id = call.params.id ?? "";
  const reason = (fields.reason ?? "").trim();
  const again = (fault: Fault, status: number) => show(deps, call, { typed: reason, fault }, status);
  if (reason === "" || reason.length > 512) {
    return await again(
      { field: "reason", words: "Say why: it stands in the audit log and before the node's eyes." },
      422,
    );
  }
  if ((fields.confirm ?? "").trim() !== id.slice(0, TYPED)) {
    return await again({ field: "confirm", words: `Type ${id.slice(0, TYPED)} to confirm.` }, 422);
  }
  return answered(call, await deps.admin.writeOffPayout({ id, reason }, callerOf(call)), "Payout written off");
}

const WEEK_H = 168;

async function reclaim(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const done = await deps.admin.reclaimRent({ after_h: WEEK_H }, callerOf(call));
  if (!done.ok) return toastAnswer(call.request, { text: sentence(done.error.message), kind: "bad" }, 409);
  const { reclaimed } = done.value;
  return doneAnswer(call.request, PATH, {
    text: reclaimed === 0 ? "No rent to take back now" : `The rent of ${reclaimed} markers is back`,
  });
}

function answered(call: SignedInCall, result: Result<object, AdminError>, text: string): Response {
  if (result.ok) return doneAnswer(call.request, `${PATH}/${encodeURIComponent(call.params.id ?? "")}`, { text });
  const status = result.error.code === "not_found" || result.error.code === "invalid" ? 404 : 409;
  return toastAnswer(call.request, { text: sentence(result.error.message), kind: "bad" }, status);
}
