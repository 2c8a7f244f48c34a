// Allowance: `/billing/allowance`: what to approve on the chain so that a token account of one's own pays, step by step;
// the one that is there, and its end.
import type { AllowanceSteps } from "../../../web/pages/money/allowance.tsx";
import type { Fault } from "../../../web/parts/field.tsx";
import { chosenDelegate, proofOf, UNSPENDABLE } from "../../http/funding/allowance.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { verifyWalletProof, walletProofText } from "../../protocol/wallet-proof.ts";
import { allowanceOf, endAllowance, type RegisterRefusal, registerAllowance } from "../../settlement/allowances.ts";
import type { Funding } from "../../settlement/funding.ts";
import { addressSchema } from "../../solana/address.ts";
import { ChainUnreachable } from "../../solana/chain.ts";
import { doneAnswer, pageAnswer, toastAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { dollarsIn, type Fields, fieldsOf } from "./form.ts";
import { moneyRoute } from "./open.ts";

const PATH = "/billing/allowance";

export const allowanceRoutes = (deps: DashboardDeps): HttpRoute[] => [
  moneyRoute(deps, {
    path: PATH,
    summary: "The account's allowance, or how to make one.",
    handle: (call) => onChain(deps, call, (funding) => show(deps, call, funding)),
  }),
  moneyRoute(deps, {
    path: PATH,
    summary: "Has a token account pay for the account; its wallet signed the proof.",
    act: true,
    handle: (call) => onChain(deps, call, (funding) => register(deps, call, funding)),
  }),
  moneyRoute(deps, {
    path: `${PATH}/end`,
    summary: "Ends the allowance, once everything used is paid.",
    act: true,
    handle: (call) => onChain(deps, call, (funding) => end(call, funding)),
  }),
];

async function onChain(
  deps: DashboardDeps,
  call: SignedInCall,
  act: (funding: Funding) => Promise<Response>,
): Promise<Response> {
  if (deps.funding === null) return await notFound(deps, call, call.human);
  try {
    return await act(deps.funding);
  } catch (error) {
    if (!(error instanceof ChainUnreachable)) throw error;
    const words = "The chain cannot be asked now. Try again in a moment.";
    return await page(deps, call, deps.funding, { fields: {}, fault: { field: null, words } }, 503);
  }
}

type Form = { fields: Fields; fault: Fault | null; steps?: AllowanceSteps };

async function page(
  deps: DashboardDeps,
  call: SignedInCall,
  funding: Funding,
  { fields, fault, steps = { opening: null, proof: null } }: Form,
  status = 200,
): Promise<Response> {
  const { AllowancePage } = await import("../../../web/pages/money/allowance.tsx");
  const row = await allowanceOf(deps, call.human.account.id);
  const view = AllowancePage({
    viewer: viewerOf(deps, call),
    mayChange: call.human.memberRole === "owner",
    delegate: chosenDelegate({ funding }, undefined) ?? "",
    mint: funding.chain.mint,
    maxUnsettled: funding.allowances.maxUnsettled,
    row: row && {
      ...{ wallet: row.wallet, tokenAccount: row.tokenAccount, delegate: row.delegate, registeredMs: row.registeredMs },
      ...{ observedMs: row.observedMs, spendable: BigInt(row.spendable) },
      words: row.unspendable === null ? null : UNSPENDABLE[row.unspendable],
    },
    ...{ fields, fault, steps },
  });
  return pageAnswer(call.request, view, { status });
}

/** Without a wallet the first step; with one the transaction to sign; with its token account the text that proves it. */
async function show(deps: DashboardDeps, call: SignedInCall, funding: Funding): Promise<Response> {
  const names = ["wallet", "token_account", "deposit", "cap"] as const;
  const fields = Object.fromEntries(names.map((name) => [name, call.query.get(name)?.slice(0, 64) ?? ""]));
  const delegate = chosenDelegate({ funding }, undefined);
  if (fields.wallet === "" || delegate === null) return await page(deps, call, funding, { fields, fault: null });
  const wallet = addressIn(fields, "wallet");
  if (!wallet.ok) return await page(deps, call, funding, { fields, fault: wallet.fault }, 422);
  if (fields.token_account !== "") {
    const tokenAccount = addressIn(fields, "token_account");
    if (!tokenAccount.ok) return await page(deps, call, funding, { fields, fault: tokenAccount.fault }, 422);
    const claim = {
      wallet: wallet.address,
      tokenAccount: tokenAccount.address,
      delegate,
      issuedMs: deps.clock.nowMs(),
    };
    const text = walletProofText(proofOf(deps, call.human.account.id, claim));
    const steps = { opening: null, proof: { text, issuedMs: claim.issuedMs } };
    return await page(deps, call, funding, { fields, fault: null, steps });
  }
  const deposit = dollarsIn(fields, "deposit");
  if (!deposit.ok) return await page(deps, call, funding, { fields, fault: deposit.error }, 422);
  const cap = fields.cap?.trim() === "" ? deposit : dollarsIn(fields, "cap");
  if (!cap.ok) return await page(deps, call, funding, { fields, fault: cap.error }, 422);
  const wanted = { wallet: wallet.address, delegate, deposit: BigInt(deposit.value), cap: BigInt(cap.value) };
  const { transaction, tokenAccount } = await funding.openAllowance(wanted);
  const steps = { opening: { transaction, tokenAccount }, proof: null };
  return await page(deps, call, funding, { fields: { ...fields, token_account: tokenAccount }, fault: null, steps });
}

type Address = ReturnType<typeof addressSchema.parse>;
function addressIn(fields: Fields, field: string): { ok: true; address: Address } | { ok: false; fault: Fault } {
  const parsed = addressSchema.safeParse(fields[field]?.trim());
  if (parsed.success) return { ok: true, address: parsed.data };
  return { ok: false, fault: { field, words: "That is no address of Solana: 32 to 44 letters and digits." } };
}

async function register(deps: DashboardDeps, call: SignedInCall, funding: Funding): Promise<Response> {
  const fields = fieldsOf(call);
  const proof = proofIn(deps, call, fields, funding);
  const steps = { opening: null, proof: proof && { text: walletProofText(proof), issuedMs: proof.issuedMs } };
  const again = (fault: Fault, status: number) => page(deps, call, funding, { fields, fault, steps }, status);
  if (proof === null) {
    return await again(
      { field: null, words: "The form is not as this page made it. Begin again with the wallet." },
      422,
    );
  }
  const signature = fields.signature?.trim().slice(0, 96) ?? "";
  if (!verifyWalletProof(proof, signature, deps.clock.nowMs())) {
    const words =
      "The wallet did not sign this text, or longer ago than ten minutes. Load the text anew and sign that.";
    return await again({ field: "signature", words }, 422);
  }
  const { wallet, tokenAccount, delegate } = proof;
  const claim = { accountId: call.human.account.id, wallet, tokenAccount, delegate } as Parameters<
    typeof registerAllowance
  >[1];
  const registered = await registerAllowance(funding.allowances, claim, callerOf(call));
  if (registered.ok) return doneAnswer(call.request, PATH, { text: "The allowance pays from now on" });
  return await again({ field: null, words: refusalWords(registered.error) }, 409);
}

function proofIn({ coordinator }: DashboardDeps, call: SignedInCall, fields: Fields, funding: Funding) {
  const [wallet, tokenAccount] = [addressIn(fields, "wallet"), addressIn(fields, "token_account")];
  const issuedMs = Number(/^\d{1,16}$/.exec(fields.issued_ms ?? "")?.[0] ?? Number.NaN);
  const delegate = chosenDelegate({ funding }, undefined);
  if (!wallet.ok || !tokenAccount.ok || delegate === null || Number.isNaN(issuedMs)) return null;
  const claim = { wallet: wallet.address, tokenAccount: tokenAccount.address, delegate, issuedMs };
  return proofOf({ coordinator }, call.human.account.id, claim);
}

function refusalWords(error: RegisterRefusal): string {
  switch (error.code) {
    case "other_funding":
      return `This account's money comes from ${error.funding ?? "elsewhere"}. It may change once nothing is left.`;
    case "token_account_taken":
      return "This token account pays for another account, or is a stake. Open one for this alone.";
    case "allowance_there":
      return "This account has another allowance. End that one first.";
    case "unspendable":
      return `Nothing can be spent from it yet: ${UNSPENDABLE[error.why]}.`;
  }
}

async function end(call: SignedInCall, { allowances }: Funding): Promise<Response> {
  const ended = await endAllowance(allowances, call.human.account.id, callerOf(call));
  if (ended.ok) {
    return doneAnswer(call.request, PATH, { text: "Allowance ended; revoke the approval in your wallet" });
  }
  const { dollars } = await import("../../../web/parts/text.tsx");
  const text =
    ended.error.code === "no_allowance"
      ? "There is no allowance"
      : `${dollars(ended.error.unsettled)} are used and not paid yet, ${dollars(ended.error.held)} are held for jobs under way. End it once those are paid.`;
  return toastAnswer(call.request, { text, kind: "bad" }, 409);
}
