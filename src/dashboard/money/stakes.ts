// Stakes: `/admin/money/stakes/:pubkey`: what a node put at stake, releasing and slashing of it, and what waits for others'
// signatures. What moves money is shown once more before it is done; sent twice it moves once.
import type { StakeForm, StakeView } from "../../../web/pages/money/stake.tsx";
import type { Fault } from "../../../web/parts/field.tsx";
import type { AdminError } from "../../admin/operations.ts";
import type { StakeMoveView, StakeRowView } from "../../admin/stake-operations.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { nodeName } from "../../registry/account-nodes.ts";
import { doneAnswer, pageAnswer, toastAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";
import { dollarsIn, type Fields, fieldsOf } from "./form.ts";
import { moneyRoute } from "./open.ts";

const PATH = "/admin/money/stakes/:pubkey";
const UPDATE_MS = 2_000;
const MOST_MOVES = 50;
const load = () => import("../../../web/pages/money/stake.tsx");

export const stakeRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: PATH,
    summary: "What a node put at stake, and what was given back and taken of it.",
    admin: true,
    handle: (call) => withStake(deps, call, (stake) => show(deps, call, stake)),
  }),
  moneyRoute(deps, {
    path: PATH,
    summary: "Gives a stake back, or takes of it, once it was confirmed.",
    admin: true,
    act: true,
    handle: (call) => withStake(deps, call, (stake) => move(deps, call, stake)),
  }),
  moneyRoute(deps, {
    path: `${PATH}/submit`,
    summary: "Sends what all of a stake's parties have signed.",
    admin: true,
    act: true,
    handle: (call) => withStake(deps, call, (stake) => submit(deps, call, stake)),
  }),
  moneyRoute(deps, {
    path: `${PATH}/forget`,
    summary: "Lets a node's stake go; what is on the chain stays as it is.",
    admin: true,
    act: true,
    handle: (call) => withStake(deps, call, (stake) => forget(deps, call, stake)),
  }),
  moneyRoute(deps, {
    path: "/live/stake/:pubkey",
    summary: "What becomes of a stake.",
    answers: "text/event-stream",
    admin: true,
    handle: (call) => withStake(deps, call, (stake) => follow(deps, call, stake)),
  }),
];

/** A stake, and what is the same for all. */
type Stake = { row: StakeRowView; minimum: number; settlement: string };

async function stakeNamed({ admin }: Pick<DashboardDeps, "admin">, node: Pubkey): Promise<Stake | null> {
  const found = await admin.listStakes({ node });
  const [row] = found.ok ? found.value.stakes : [];
  return found.ok && row ? { row, minimum: found.value.minimum_micro_usd, settlement: found.value.settlement } : null;
}

async function withStake(
  deps: DashboardDeps,
  call: SignedInCall,
  act: (stake: Stake) => Response | Promise<Response>,
): Promise<Response> {
  const node = pubkeySchema.safeParse(call.params.pubkey);
  const stake = deps.funding !== null && node.success ? await stakeNamed(deps, node.data) : null;
  return stake ? await act(stake) : await notFound(deps, call, call.human, "stake");
}

const newForm = (): StakeForm => ({ id: Bun.randomUUIDv7(), fields: {}, act: null, fault: null, asks: null });

async function viewOf(
  deps: DashboardDeps,
  { row, minimum, settlement }: Stake,
): Promise<Omit<StakeView, "viewer" | "form">> {
  const [moves, name] = await Promise.all([
    deps.admin.listStakeMoves({ pubkey: row.node, limit: MOST_MOVES }),
    nodeName(deps.db, row.node),
  ]);
  return {
    ...{ node: row.node, name, kind: row.kind, wallet: row.wallet, tokenAccount: row.token_account },
    ...{ multisig: row.multisig, arbiter: row.arbiter, settlement, treasury: deps.funding?.deposits?.treasury ?? null },
    ...{ amount: BigInt(row.amount_micro_usd), unspendable: row.unspendable, observedMs: row.observed_ms },
    balance: row.balance_micro_usd === null ? null : BigInt(row.balance_micro_usd),
    cap: row.cap_micro_usd === null ? null : BigInt(row.cap_micro_usd),
    minimum: BigInt(minimum),
    moves: moves.ok ? moves.value.moves.map((move) => moveLine(move, deps.clock.nowMs())) : [],
  };
}

/** What was signed has landed or expired long before, and the chain has said so, where it can be asked. */
const SILENT_MS = 5 * 60_000;
const SILENT = "For minutes the chain has not said what became of it: it may have landed";

const moveLine = (
  { id, act, amount_micro_usd: amount, reason, created_ms: createdMs, ...rest }: StakeMoveView,
  nowMs: number,
) => ({
  ...{ id, act, amount: BigInt(amount), reason, createdMs, state: rest.state, signature: rest.signature },
  error: rest.state === "signing" && nowMs - createdMs > SILENT_MS ? SILENT : rest.error,
  sign: rest.sign && { transaction: rest.sign.transaction, missing: rest.sign.missing },
});

async function show(
  deps: DashboardDeps,
  call: SignedInCall,
  stake: Stake,
  form: StakeForm = newForm(),
  status = 200,
): Promise<Response> {
  const [{ StakePage }, view] = await Promise.all([load(), viewOf(deps, stake)]);
  return pageAnswer(call.request, StakePage({ ...view, viewer: viewerOf(deps, call), form }), { status });
}

function follow(deps: DashboardDeps, call: SignedInCall, { row: { node } }: Stake): Response {
  return deps.live.open(readerOf(deps, call), {
    key: `stake/${node}`,
    everyMs: UPDATE_MS,
    async render() {
      const [{ stakeParts }, stake] = await Promise.all([load(), stakeNamed(deps, node)]);
      if (stake === null) return [];
      const parts = Object.entries(stakeParts(await viewOf(deps, stake)));
      return await Promise.all(
        parts.map(async ([id, part]) => ({
          data: `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${await part}</hx-partial>`,
        })),
      );
    },
  });
}

const ACTS = ["release", "slash"] as const;
/** Signs of the node's key that are typed to confirm. */
const TYPED = 8;
const MAX_REASON = 512;

/** Reads it, asks whether it is meant, does it. */
async function move(deps: DashboardDeps, call: SignedInCall, stake: Stake): Promise<Response> {
  const fields = fieldsOf(call);
  const { row } = stake;
  const act = ACTS.find((known) => known === fields.act);
  if (act === undefined || (act === "release" && row.kind === "pledge"))
    return await notFound(deps, call, call.human, "stake");
  const id = /^[0-9a-f-]{36}$/.exec(fields.id ?? "")?.[0] ?? Bun.randomUUIDv7();
  const again = (fault: Fault, status: number, asks: bigint | null = null) =>
    show(deps, call, stake, { id, fields, act, fault, asks }, status);
  const read = wantedOf(fields, row);
  if (!read.ok) return await again(read.error, 422);
  const { amount, reason } = read.value;
  if (fields.confirm === undefined)
    return await show(deps, call, stake, { id, fields, act, fault: null, asks: BigInt(amount) });
  if (fields.confirm.trim() !== row.node.slice(0, TYPED)) {
    const words = `Type ${row.node.slice(0, TYPED)} to confirm.`;
    return await again({ field: "confirm", words }, 422, BigInt(amount));
  }
  const wanted = { pubkey: row.node, amount_micro_usd: amount, reason, id };
  const done = act === "slash" ? await slash(deps, call, wanted) : await release(deps, call, wanted);
  if (!done.ok) {
    // Nothing moved by it; the next try is another one, or it would be refused for this one's sake.
    const fault = { field: null, words: sentence(done.error.message) };
    return await show(deps, call, stake, { ...newForm(), fields, act, fault }, 409);
  }
  return doneAnswer(call.request, `/admin/money/stakes/${row.node}`, { text: done.value });
}

function wantedOf(fields: Fields, row: StakeRowView): Result<{ amount: number; reason: string }, Fault> {
  const amount = dollarsIn(fields, "usd");
  if (!amount.ok) return amount;
  // By what is final; what an enforceable stake holds beside that, the chain knows.
  if (row.kind === "pledge" && amount.value > row.amount_micro_usd)
    return err({ field: "usd", words: "That is more than is at stake." });
  const reason = (fields.reason ?? "").trim();
  if (reason === "") return err({ field: "reason", words: "Say why: it stands in the audit log." });
  if (reason.length > MAX_REASON) return err({ field: "reason", words: `At most ${MAX_REASON} characters.` });
  return ok({ amount: amount.value, reason });
}

type Wanted = { pubkey: Pubkey; amount_micro_usd: number; reason: string; id: string };
const TO_SIGN = "Signed here. It waits for the other signature below";

async function slash(
  { admin }: DashboardDeps,
  call: SignedInCall,
  wanted: Wanted,
): Promise<Result<string, AdminError>> {
  const done = await admin.slashStake(wanted, callerOf(call));
  if (!done.ok) return done;
  if (done.value.sign !== null) return ok(TO_SIGN);
  return ok(
    done.value.repeated ? "Asked for already, it is taken once" : "On its way; the books have it once it is final",
  );
}

async function release(
  { admin }: DashboardDeps,
  call: SignedInCall,
  wanted: Wanted,
): Promise<Result<string, AdminError>> {
  const done = await admin.releaseStake(wanted, callerOf(call));
  return done.ok ? ok(TO_SIGN) : done;
}

/** Of a transaction in base64. */
const MAX_WIRE = 2_048;

async function submit(deps: DashboardDeps, call: SignedInCall, stake: Stake): Promise<Response> {
  const transaction = (fieldsOf(call).transaction ?? "").replace(/\s+/g, "").slice(0, MAX_WIRE + 1);
  const sent = await deps.admin.submitStake({ transaction }, callerOf(call));
  const to = `/admin/money/stakes/${stake.row.node}`;
  if (sent.ok) return doneAnswer(call.request, to, { text: "Sent. The books have it once it is final" });
  const status = sent.error.code === "invalid" ? 422 : 409;
  const words = status === 422 ? "That is no transaction in base64." : sentence(sent.error.message);
  const form: StakeForm = {
    ...newForm(),
    act: "submit",
    fields: { transaction },
    fault: { field: "transaction", words },
  };
  return await show(deps, call, stake, form, status);
}

async function forget(deps: DashboardDeps, call: SignedInCall, { row }: Stake): Promise<Response> {
  const gone = await deps.admin.forgetStake({ pubkey: row.node }, callerOf(call));
  if (gone.ok) return doneAnswer(call.request, "/admin/money/chain", { text: "Stake forgotten" });
  return toastAnswer(call.request, { text: sentence(gone.error.message), kind: "bad" }, 409);
}
