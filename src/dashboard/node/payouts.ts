// Payouts: `/payouts` of a node's own dashboard: where it is paid, asking for what is unpaid, and what came of it.
import { bodyFields } from "../../http/human/answers.ts";
import type { OwnerAuthDeps } from "../../http/owner/guard.ts";
import type { HttpRoute, OwnerCall, OwnerRoute } from "../../http/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import { once } from "../../lib/once.ts";
import { doneAnswer, pageAnswer, toastAnswer } from "../answer.ts";
import type { Live } from "../live.ts";
import { sentence } from "../words.ts";
import { events, ownerOf } from "./live-parts.ts";
import { type AddressForm, EMPTY_FORM, type OwnPayouts, type PayoutsView } from "./payouts-view.ts";

export type PayoutPagesDeps = {
  name: string;
  clock: Clock;
  live: Live;
  auth: OwnerAuthDeps;
  payouts: OwnPayouts;
};

const PATH = "/payouts";
const UPDATE_MS = 2_000;
/** Characters that are typed to confirm an address: its last ones. */
const TYPED = 6;
const MAX_TYPED = 128;
/** Of who opened the dashboard. */
type OwnersRoute = Extract<OwnerRoute, { access: "owner" }>;
const load = () => import("../../../web/pages/own-node/payouts.tsx");

export function ownPayoutRoutes(deps: PayoutPagesDeps): HttpRoute[] {
  const { payouts, clock } = deps;
  const anew = () => once(clock, UPDATE_MS, () => payouts.look());
  let look = anew();
  const route = (
    method: "GET" | "POST",
    path: string,
    summary: string,
    handle: OwnersRoute["handle"],
  ): OwnersRoute => ({
    ...{ method, path, tier: "human", access: "owner", summary, handle },
    answers: "text/html",
  });
  const viewOf = async (csrf: string, form: AddressForm = EMPTY_FORM): Promise<PayoutsView> => ({
    ...{ name: deps.name, csrf, wallet: payouts.wallet(), told: await look(), run: payouts.run(), form },
    nowMs: clock.nowMs(),
  });
  const page = async ({ request, csrf }: OwnerCall, form?: AddressForm, status = 200) => {
    const [{ OwnPayoutsPage }, view] = await Promise.all([load(), viewOf(csrf, form)]);
    return pageAnswer(request, OwnPayoutsPage(view), { status });
  };
  return [
    route("GET", PATH, "Where this node is paid, and its payouts.", (call) => page(call)),
    route("POST", `${PATH}/address`, "Says where this node is paid, once it was confirmed.", async (call) => {
      const read = await addressIn(payouts, call);
      if (!read.ok) return await page(call, read.form, read.status);
      const set = await payouts.set(read.address);
      look = anew();
      if (set.ok) return doneAnswer(call.request, PATH, { text: "Payouts go to this address from now on" });
      const fault = { field: null, words: `${sentence(set.error)}` };
      return await page(call, { ...EMPTY_FORM, typed: read.address, fault }, 409);
    }),
    route("POST", `${PATH}/ask`, "Asks for what is unpaid.", async (call) => {
      if (!payouts.begin()) return toastAnswer(call.request, { text: "It was asked for already", kind: "warn" }, 409);
      look = anew();
      return doneAnswer(call.request, PATH, { text: "Asked for. Every receipt is looked at first" });
    }),
    {
      ...route("GET", "/live/payouts", "What becomes of payouts.", ({ token }) =>
        deps.live.open(ownerOf(deps.auth, token), {
          key: "own payouts",
          everyMs: UPDATE_MS,
          async render() {
            const { payoutParts } = await load();
            return await events(payoutParts(await viewOf("")));
          },
        }),
      ),
      answers: "text/event-stream",
    },
  ];
}

type Read = { ok: true; address: string } | { ok: false; form: AddressForm; status: number };

/** Twice: as it was pasted, and then with its end, typed by somebody who looked at the wallet. */
async function addressIn(payouts: OwnPayouts, call: OwnerCall): Promise<Read> {
  const fields = bodyFields(call);
  const typed = textOf(fields.address).trim();
  const vault = fields.vault === "on";
  const again = (words: string, field: string, asks: string | null = null): Read => ({
    ...{ ok: false, status: 422 },
    form: { typed, vault, fault: { field, words }, asks },
  });
  const address = await payouts.check(typed, vault);
  if (!address.ok) return again(FAULTS[address.error], "address");
  const { value } = address;
  const end = fields.end;
  if (end === undefined) return { ok: false, status: 200, form: { typed: value, vault, fault: null, asks: value } };
  if (textOf(end).trim() === value.slice(-TYPED)) return { ok: true, address: value };
  return again(`That is not how this address ends. Compare it with your wallet: capitals count.`, "end", value);
}

const textOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, MAX_TYPED) : "");

const FAULTS = {
  not_an_address: "That is no Solana address: 32 to 44 letters and digits, without 0, O, I and l.",
  off_curve:
    "No private key belongs to this address: it is a token account, or a program's. Paste the wallet that owns it; if it is a vault that is to be paid, say so below.",
} as const;
