// Solana payouts: a payout as one transaction. It makes the marker, pays the node and the platform out of each source,
// and says in a memo for which receipts; all of it happens, or none.
import { least } from "../lib/amounts.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, Chain, Instruction, Signature, Signer, TokenAccount, Wire } from "../solana/chain.ts";
import type { AddressTables } from "./address-tables.ts";
import { markerStory } from "./markers.ts";
import type { PayoutChain, PayoutOrder, Prepared } from "./payout-chain.ts";
import { TREASURY } from "./schema.ts";

export type SolanaPayoutsDeps = {
  chain: Chain;
  /** Pays fees and rents, and spends the allowances. */
  settlement: Signer;
  /** Owner of the token account that fees go to. */
  feeOwner: Address;
  /** Token account that pays what no allowance pays; the settlement key owns it or may spend of it. */
  treasury: Address | null;
  /** Tables that shorten transactions, by the addresses that they are to name. */
  tables?: AddressTables;
};

export function solanaPayouts(deps: SolanaPayoutsDeps): PayoutChain {
  const { chain, settlement } = deps;
  const markerOf = (id: string) => chain.markerAddress(settlement.address, id);
  return {
    prepare: (order) => prepare(deps, order),
    async send(wire) {
      // What the chain says to it is no evidence; only its state is.
      await chain.send(wire as Wire);
    },
    async look(id) {
      const marker = await markerOf(id);
      const { blockHeight, get } = await chain.finalized([marker]);
      return { height: Number(blockHeight), marker: get(marker) !== null };
    },
    height: async () => Number((await chain.finalized([])).blockHeight),
    paymentOf: async (id) => (await storyOf(deps, id)).payment,
    markerTaken: async (id) => (await storyOf(deps, id)).taken,
    async failureOf(signature) {
      const [status] = await chain.statuses([signature as Signature]);
      return status?.commitment === "finalized" ? (status.failure?.detail ?? null) : null;
    },
    async spendable(source) {
      const account = sourceAccount(deps, source);
      if (account === null) return 0n;
      return spendableOf((await chain.finalized([account])).get(account)?.token ?? null, settlement.address);
    },
    async reclaim(ids) {
      const markers = await Promise.all(ids.map(async (id) => ({ id, address: await markerOf(id) })));
      const { get } = await chain.finalized(markers.map(({ address }) => address));
      const there = markers.flatMap(({ id, address }) => {
        const lamports = get(address)?.lamports;
        return lamports === undefined ? [] : [{ id, lamports }];
      });
      if (there.length > 0) await takeBack(deps, there);
      return markers.filter(({ address }) => get(address) === null).map(({ id }) => id);
    },
  };
}

const sourceAccount = ({ treasury }: SolanaPayoutsDeps, source: string): Address | null =>
  source === TREASURY ? treasury : (source as Address);

/** Base units that the key may spend of the account. */
function spendableOf(token: TokenAccount | null, key: Address): bigint {
  if (token === null || token.frozen) return 0n;
  if (token.owner === key) return token.amount;
  if (token.delegate !== key) return 0n;
  return least(token.amount, token.delegatedAmount);
}

/** Why the key cannot spend so much of the account, by its state; null where it can. */
function shortage(token: TokenAccount | null, key: Address, needed: bigint): string | null {
  if (token === null) return "account_missing";
  if (token.frozen) return "account_frozen";
  if (token.owner !== key && token.delegate === null) return "delegate_revoked";
  if (token.owner !== key && token.delegate !== key) return "delegate_replaced";
  if (token.amount < needed) return "balance_too_low";
  return spendableOf(token, key) < needed ? "allowance_exceeded" : null;
}

async function prepare(deps: SolanaPayoutsDeps, order: PayoutOrder): Promise<Prepared> {
  const { chain, settlement } = deps;
  const instructions = await instructionsOf(deps, order);
  if (!instructions.ok) return instructions.error;
  const base = { feePayer: settlement.address, instructions: instructions.value, signers: [settlement] };
  let made = await chain.prepare(base);
  if (!made.ok && made.error.code === "too_large" && deps.tables) {
    // Those that come again: not the marker, nor the node.
    const sources = order.legs.flatMap(({ source }) => sourceAccount(deps, source) ?? []);
    const lookupTables = await deps.tables.holding([...sources, await chain.tokenAccountOf(deps.feeOwner), chain.mint]);
    if (lookupTables === null) return { outcome: "not_now", reason: "its address table is being made" };
    made = await chain.prepare({ ...base, lookupTables });
  }
  if (made.ok) {
    const { signature, wire, lastValidBlockHeight } = made.value;
    return { outcome: "signed", signature, wire, lastValidHeight: Number(lastValidBlockHeight) };
  }
  if (made.error.code === "too_large") return { outcome: "too_large" };
  const failing = await failingSources(deps, order);
  if (failing.length > 0) return { outcome: "sources_fail", failing };
  const { reason, detail } = made.error.failure;
  if (reason === "lamports_too_low")
    return { outcome: "not_now", reason: `the settlement key ${settlement.address} has too little SOL: send it some` };
  return { outcome: "not_now", reason: `it would fail: ${reason} ${detail}` };
}

const NO_TREASURY: Prepared = {
  outcome: "sources_fail",
  failing: [{ source: TREASURY, reason: "no_treasury" }],
};

async function instructionsOf(
  deps: SolanaPayoutsDeps,
  { id, wallet, memo, legs, opens }: PayoutOrder,
): Promise<Result<Instruction[], Prepared>> {
  const { chain, settlement, feeOwner } = deps;
  const { instructions } = chain;
  const payer = settlement.address;
  const owner = wallet as Address;
  const [to, feesTo] = await Promise.all([chain.tokenAccountOf(owner), chain.tokenAccountOf(feeOwner)]);
  const made: Instruction[] = [
    await instructions.createMarker({ payer, base: payer, seed: id, lamports: await chain.rentExempt(0) }),
  ];
  const { get } = await chain.finalized([to, feesTo]);
  if (get(to) === null && !opens) {
    const reason = `the node's wallet ${wallet} has no token account for ${chain.mint}: its owner opens one`;
    return err({ outcome: "not_now", reason });
  }
  if (get(to) === null) made.push(await instructions.createTokenAccount({ payer, owner }));
  const paysFees = legs.some(({ source, fee }) => source !== TREASURY && fee > 0n);
  if (paysFees && get(feesTo) === null && feesTo !== to)
    made.push(await instructions.createTokenAccount({ payer, owner: feeOwner }));
  for (const { source, nodeAmount, fee } of legs) {
    const account = sourceAccount(deps, source);
    if (account === null) return err(NO_TREASURY);
    const pay = (destination: Address, amount: bigint) => {
      if (amount > 0n) made.push(instructions.transfer({ source: account, destination, authority: payer, amount }));
    };
    pay(to, nodeAmount);
    if (source !== TREASURY) pay(feesTo, fee);
  }
  return ok([...made, instructions.memo(memo)]);
}

async function failingSources(
  deps: SolanaPayoutsDeps,
  { legs }: PayoutOrder,
): Promise<{ source: string; reason: string }[]> {
  const accounts = legs.flatMap(({ source }) => sourceAccount(deps, source) ?? []);
  const { get } = await deps.chain.finalized(accounts);
  return legs.flatMap(({ source, nodeAmount, fee }) => {
    const account = sourceAccount(deps, source);
    const needed = nodeAmount + (source === TREASURY ? 0n : fee);
    const reason = shortage(account && (get(account)?.token ?? null), deps.settlement.address, needed);
    return reason === null ? [] : [{ source, reason }];
  });
}

/** Of markers as payouts make them. */
async function storyOf({ chain, settlement }: SolanaPayoutsDeps, id: string) {
  const { made, taken } = await markerStory(chain, settlement.address, id);
  const memo = made?.memos.find((text) => text.startsWith("infernet:1:"));
  return { payment: made && memo !== undefined ? { signature: made.signature as string, memo } : null, taken };
}

async function takeBack(deps: SolanaPayoutsDeps, markers: readonly { id: string; lamports: bigint }[]): Promise<void> {
  const { chain, settlement } = deps;
  const base = settlement.address;
  const instructions = await Promise.all(
    markers.map(({ id, lamports }) =>
      chain.instructions.reclaimMarker({ base, seed: id, lamports, destination: base }),
    ),
  );
  const made = await chain.prepare({ feePayer: base, instructions, signers: [settlement] });
  if (made.ok) await chain.send(made.value.wire);
  else if (made.error.code === "too_large" && markers.length > 1) {
    const half = markers.length >> 1;
    await takeBack(deps, markers.slice(0, half));
    await takeBack(deps, markers.slice(half));
  }
  // Where it would fail, another coordinator was quicker; the next look tells.
}
