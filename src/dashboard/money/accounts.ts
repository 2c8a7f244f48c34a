// Accounts: `/admin/money/accounts`, who has how much; one account's movements; credit given, corrected and settled. What
// moves money is shown once more, with the exact amount, before it is done; sent twice it moves once.
import type { MoveForm } from "../../../web/pages/money/accounts.tsx";
import type { Fault } from "../../../web/parts/field.tsx";
import type { BalanceView } from "../../admin/money-operations.ts";
import type { AdminError } from "../../admin/operations.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { LEDGER_KINDS } from "../../ledger/schema.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";
import { dollarsIn, type Fields, fieldsOf } from "./form.ts";
import { movementsOf } from "./movements.ts";
import { moneyRoute } from "./open.ts";

const PATH = "/admin/money/account";
const load = () => import("../../../web/pages/money/accounts.tsx");

export const accountRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: "/admin/money/accounts",
    summary: "Who has how much: clients, nodes, and the network itself.",
    admin: true,
    handle: (call) => list(deps, call),
  }),
  moneyRoute(deps, {
    path: PATH,
    summary: "One account of the ledger, with its movements: id=.",
    admin: true,
    handle: (call) => show(deps, call, call.query.get("id") ?? ""),
  }),
  moneyRoute(deps, {
    path: PATH,
    summary: "Gives credit, corrects an account, or notes what a node was paid outside.",
    admin: true,
    act: true,
    handle: (call) => move(deps, call),
  }),
];

const ROWS = 50;

async function list(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { query } = call;
  const kind = LEDGER_KINDS.find((known) => known === query.get("kind")) ?? "client";
  const q = (query.get("q") ?? "").trim().slice(0, 256);
  const cursor = query.get("after")?.slice(0, 128);
  const found = await deps.admin.listBalances(
    q === "" ? { kind, limit: ROWS, ...(cursor ? { cursor } : {}) } : { account: q },
  );
  const { Accounts } = await load();
  const to = (after: string) => `/admin/money/accounts?${new URLSearchParams({ kind, after })}`;
  const next = found.ok ? found.value.next : null;
  const page = Accounts({
    ...{ viewer: viewerOf(deps, call), onChain: deps.billing === "solana", kind, q },
    rows: found.ok ? found.value.accounts.map(lineOf) : [],
    why: found.ok ? null : sentence(found.error.message),
    newer: cursor && q === "" ? `/admin/money/accounts?kind=${kind}` : null,
    older: next === null ? null : to(next),
  });
  return pageAnswer(call.request, page);
}

const lineOf = (view: BalanceView) => ({
  ...{ id: view.account, kind: view.kind, name: view.name, funding: view.funding },
  ...{ balance: BigInt(view.balance_micro_usd), held: BigInt(view.held_micro_usd) },
});

async function show(
  deps: DashboardDeps,
  call: SignedInCall,
  id: string,
  form: MoveForm | null = null,
  status = 200,
): Promise<Response> {
  const named = id === "" || id.length > 256 ? null : await deps.admin.listBalances({ account: id });
  const [account] = named?.ok ? named.value.accounts : [];
  if (!account) return await notFound(deps, call, call.human, "account");
  const [{ Account }, movements] = await Promise.all([load(), movementsOf(deps, call, account.account)]);
  const page = Account({
    ...{ viewer: viewerOf(deps, call), account: lineOf(account), movements, period: movements.days },
    form: form ?? newForm(),
    onChain: deps.billing === "solana",
  });
  return pageAnswer(call.request, page, { status });
}

/** Its id makes sure that what is sent twice moves once. */
const newForm = (): MoveForm => ({ id: Bun.randomUUIDv7(), fields: {}, act: null, fault: null, asks: null });

const ACTS = ["grant", "adjust", "settle"] as const;
type Act = (typeof ACTS)[number];
type Wanted = { act: Act; account: string; amount: number | null; reason: string; id: string };

/** Reads it, asks whether it is meant, does it. */
async function move(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const fields = fieldsOf(call);
  const account = fields.account ?? "";
  const act = ACTS.find((known) => known === fields.act);
  if (act === undefined) return await notFound(deps, call, call.human, "account");
  const id = /^[0-9a-f-]{36}$/.exec(fields.id ?? "")?.[0] ?? Bun.randomUUIDv7();
  const again = (fault: Fault, status: number) =>
    show(deps, call, account, { id, fields, act, fault, asks: null }, status);
  const read = wantedOf(act, { ...fields, id });
  if (!read.ok) return await again(read.error, 422);
  if (fields.sure !== "yes") {
    const asks = read.value.amount === null ? { amount: null } : { amount: BigInt(read.value.amount) };
    return await show(deps, call, account, { id, fields, act, fault: null, asks });
  }
  const done = await does(deps, call, read.value);
  if (!done.ok) return await again({ field: null, words: sentence(done.error.message) }, 409);
  return doneAnswer(call.request, `${PATH}?id=${encodeURIComponent(account)}`, { text: done.value });
}

const MAX_REASON = 512;

function wantedOf(act: Act, fields: Fields): Result<Wanted, Fault> {
  const all = act === "settle" && (fields.usd ?? "").trim() === "";
  const amount = all ? ok(null) : dollarsIn(fields, "usd", { signed: act === "adjust" });
  if (!amount.ok) return amount;
  const reason = (fields.reason ?? "").trim();
  if (reason === "")
    return err({ field: "reason", words: "Say why: it stands in the statement and in the audit log." });
  if (reason.length > MAX_REASON) return err({ field: "reason", words: `At most ${MAX_REASON} characters.` });
  return ok({ act, account: fields.account ?? "", amount: amount.value, reason, id: fields.id ?? "" });
}

async function does(
  { admin }: DashboardDeps,
  call: SignedInCall,
  { act, account, amount, reason, id }: Wanted,
): Promise<Result<string, AdminError>> {
  const { dollars } = await import("../../../web/parts/text.tsx");
  const by = callerOf(call);
  if (act === "settle") {
    const node = pubkeySchema.safeParse(account.replace(/^node\//, ""));
    if (!node.success) return err({ code: "invalid", message: "only a node is settled with" });
    const most = amount === null ? {} : { most_micro_usd: amount };
    const settled = await admin.settleOutside({ node: node.data, reason, id, ...most }, by);
    if (!settled.ok) return settled;
    const told = `${dollars(settled.value.amount_micro_usd)} settled`;
    return ok(settled.value.repeated ? `${told} already, nothing moved again` : told);
  }
  const wanted = { account, amount_micro_usd: amount ?? 0, reason, id };
  const moved = act === "grant" ? await admin.grantCredits(wanted, by) : await admin.adjustCredits(wanted, by);
  if (!moved.ok) return moved;
  const told = act === "grant" ? `${dollars(moved.value.amount_micro_usd)} granted` : "Corrected";
  return ok(moved.value.repeated ? `${told} already, nothing moved again` : told);
}
