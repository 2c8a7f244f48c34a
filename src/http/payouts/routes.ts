// Earnings and payouts, for the node that they are of: signed with its key, version 2 where money is moved.
import type { z } from "zod";
import {
  acknowledgeBodySchema,
  type EarningsJson,
  earningsBodySchema,
  type PreparedJson,
  payoutsBodySchema,
  prepareBodySchema,
  receiptsBodySchema,
} from "../../protocol/payouts.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { agreeTo } from "../../settlement/agree.ts";
import { type DeskDeps, type Payouts, payoutJson, payoutsOf, prepareFor } from "../../settlement/desk.ts";
import { earningsByDay, earningsTotal } from "../../settlement/earnings.ts";
import { payeeOf } from "../../settlement/payee.ts";
import { getPayout, signedReceiptsOf } from "../../settlement/payouts.ts";
import { bodyOf, data, refuse } from "../polling/answers.ts";
import type { MachineCall, MachineRoute } from "../routes.ts";

export type PayoutRoutesDeps = DeskDeps & {
  coordinator: Pubkey;
  receiptKey: { key: string; sig: string };
  billing: EarningsJson["billing"];
  /** Null where nothing is paid out on the chain. */
  payouts: Payouts | null;
};

const BASE = "/api/v1/node";
const DAY_MS = 86_400_000;

type Handle = (deps: PayoutRoutesDeps, call: MachineCall) => Response | Promise<Response>;

export function payoutRoutes(deps: PayoutRoutesDeps): MachineRoute[] {
  const route = (path: string, summary: string, handle: Handle, body?: z.ZodType): MachineRoute => ({
    method: "POST",
    path: `${BASE}/${path}`,
    tier: "machine",
    rule: "polling",
    summary,
    ...(body ? { body } : {}),
    handle: (call) => handle(deps, call),
  });
  return [
    route("earnings", "What the node earned, by day and model, and where that is now.", earnings, earningsBodySchema),
    route(
      "payouts/prepare",
      "Plans payouts of all that is unpaid, for the node to look at.",
      prepare,
      prepareBodySchema,
    ),
    route("payouts/history", "The node's payouts, newest first.", history, payoutsBodySchema),
    route("payouts/:id/status", "How a payout stands.", status),
    route("payouts/:id/receipts", "What a payout pays for: its receipts, signed.", receipts, receiptsBodySchema),
    route("payouts/:id/acknowledge", "The node agrees: the payout is sent.", acknowledge, acknowledgeBodySchema),
  ];
}

async function earnings({ db, clock, billing, payouts }: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, earningsBodySchema);
  if (!body.ok) return refuse(body.error);
  const node = call.signed.pubkey;
  const { unpaid, inPayout, stuck, paid } = await earningsTotal(db, node);
  const rows = await earningsByDay(db, node, clock.nowMs() - body.value.days * DAY_MS);
  const { coin, network } = payouts?.coin ?? { coin: "", network: "" };
  const told: EarningsJson = {
    billing,
    on_chain: payouts !== null,
    coin,
    network,
    minimum: Number(payouts?.rules.minimum ?? 0n),
    wallet: payouts ? await payeeOf(db, node, payouts.coin) : null,
    total: { unpaid: Number(unpaid), in_payout: Number(inPayout), stuck: Number(stuck), paid: Number(paid) },
    rows: rows.map(({ nodeAmount, gross, fee, ...row }) => ({
      ...row,
      gross: Number(gross),
      node_amount: Number(nodeAmount),
      fee: Number(fee),
    })),
  };
  return data(told);
}

const NOT_ON_CHAIN = {
  code: "not_on_chain",
  message: "this coordinator pays nothing out on the chain; its admin settles earnings outside",
} as const;
const NEEDS_V2 = {
  code: "payout_needs_v2",
  message: "money is moved by signatures of version 2 only: version 1 names no recipient",
} as const;
const UNKNOWN = {
  code: "payout_unknown",
  message: "this node has no such payout; it may have been planned anew",
} as const;

async function prepare(deps: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const { payouts, receiptKey } = deps;
  const body = await bodyOf(call, prepareBodySchema);
  if (!body.ok) return refuse(body.error);
  if (payouts === null) return refuse(NOT_ON_CHAIN);
  if (call.signed.version !== 2) return refuse(NEEDS_V2);
  const made = await prepareFor(deps, payouts, call.signed.pubkey, body.value.wallet);
  if (!made.ok) {
    const { coin, network } = payouts.coin;
    const message = {
      no_wallet: `no wallet is set for ${coin} on ${network}`,
      wallet_differs: "another wallet is set than the one that was named",
    }[made.error];
    return refuse({ code: made.error, message });
  }
  const { planned, open, nothing } = made.value;
  const told: PreparedJson = {
    ...{ genesis: payouts.genesisHash, mint: payouts.mint, ...payouts.coin, receipt_key: receiptKey, planned, open },
    nothing: nothing && {
      code: nothing.code,
      unpaid: "unpaid" in nothing ? Number(nothing.unpaid) : 0,
      minimum: Number(payouts.rules.minimum),
    },
  };
  return data(told);
}

async function history(deps: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, payoutsBodySchema);
  if (!body.ok) return refuse(body.error);
  return data({ payouts: await payoutsOf(deps, call.signed.pubkey, body.value.limit) });
}

/** The payout of the path, where it is the caller's. */
async function ownPayout(deps: PayoutRoutesDeps, { params, signed }: MachineCall) {
  const row = await getPayout(deps, params.id ?? "");
  return row?.node === signed.pubkey ? row : undefined;
}

async function status(deps: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const row = await ownPayout(deps, call);
  return row ? data(await payoutJson(deps, row)) : refuse(UNKNOWN);
}

async function receipts(deps: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, receiptsBodySchema);
  if (!body.ok) return refuse(body.error);
  const row = await ownPayout(deps, call);
  if (!row) return refuse(UNKNOWN);
  const { after, limit } = body.value;
  const page = await signedReceiptsOf(deps, row.id, after, limit);
  return data({
    receipts: page.map(({ seq, bytes, signature }) => ({
      seq,
      bytes: Buffer.from(bytes).toString("base64"),
      signature: Buffer.from(signature).toString("base64"),
    })),
  });
}

async function acknowledge(deps: PayoutRoutesDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, acknowledgeBodySchema);
  if (!body.ok) return refuse(body.error);
  if (deps.payouts === null) return refuse(NOT_ON_CHAIN);
  if (call.signed.version !== 2) return refuse(NEEDS_V2);
  const parties = { coordinator: deps.coordinator, node: call.signed.pubkey };
  const agreed = await agreeTo(deps, parties, call.params.id ?? "", body.value.sig);
  if (!agreed.ok) {
    if (agreed.error === "payout_unknown") return refuse(UNKNOWN);
    return refuse({ code: agreed.error, message: "the signature is not this node's over the payout as it is planned" });
  }
  deps.payouts.nudge();
  return data(await payoutJson(deps, agreed.value));
}
