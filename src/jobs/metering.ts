// Metering: what of an answer came from which attempt, in tokens. Nodes claim; what is counted is never more than can be
// true of the bytes that passed, and each token is counted once, however many nodes had a part in the answer.
import type { Usage } from "../protocol/generation.ts";
import { grossOf } from "../protocol/receipts.ts";
import type { AttemptRecord, Delivery, Job, Run } from "./job.ts";

/** One attempt's part of the answer. */
export type Share = Delivery & { promptTokens: number; completionTokens: number };

/** Most tokens of the answer, all choices together. */
export const outputBound = ({ maxTokens, choices }: Pick<Job, "maxTokens" | "choices">): number => maxTokens * choices;

/** Most tokens that the prompt can be: no token is shorter than a byte, and templates and images add what was reckoned. */
export const promptBound = ({ bodyJson, promptExtra }: Pick<Job, "bodyJson" | "promptExtra">): number =>
  Buffer.byteLength(bodyJson) + promptExtra;

/** Notes what the attempt gave, where it gave anything. */
export function noteDelivery(job: Job, run: Run): void {
  const { record, usage, price, hasher } = run;
  if (record.pieces === 0 && record.outcome !== "completed") return;
  const carried = record.took_over === "continue" ? run.carried : 0;
  job.deliveries.push({ record, carried, usage, price, offer: run.offer, outputHash: hasher && digestOf(hasher) });
}

const digestOf = (hasher: Bun.CryptoHasher): Uint8Array => new Uint8Array(hasher.digest());

/** Tokens that an attempt wrote itself. */
export const ownTokens = ({ record, usage }: Pick<Delivery, "record" | "usage">): number =>
  record.outcome === "completed"
    ? Math.min(usage?.completion_tokens ?? Math.ceil(record.bytes / 4), record.bytes)
    : Math.min(record.pieces, record.bytes);

/**
 * The parts of the answer, as attempts gave them. The first is charged with the prompt; one that continued has its own
 * output; one that answered anew has what it gave beyond what was known. A claim above its bound is noted in its record.
 */
export function sharesOf(job: Job): Share[] {
  const { deliveries } = job;
  if (deliveries.length === 0) return [];
  const most = outputBound(job);
  const prompt = promptTokens(job);
  let total = 0;
  return deliveries.map((delivery, i) => {
    const upTo = Math.min(most, delivery.carried + ownTokens(delivery));
    const completionTokens = Math.max(0, upTo - total);
    total += completionTokens;
    noteClamped(delivery);
    return { ...delivery, promptTokens: i === 0 ? prompt : 0, completionTokens };
  });
}

export const usageOf = (shares: readonly Share[]): Usage => ({
  prompt_tokens: shares.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
  completion_tokens: shares.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
});

/** By the last claim there is; else by estimate. */
function promptTokens(job: Job): number {
  const claim = job.deliveries.findLast(({ usage }) => usage !== null);
  // The prompt of an attempt that continues an answer holds what it continues.
  const claimed = claim?.usage ? Math.max(0, claim.usage.prompt_tokens - claim.carried) : job.promptGuess;
  if (claimed <= job.bodyJson.length) return claimed;
  const bounded = Math.min(claimed, promptBound(job));
  if (claim && bounded < claimed) claim.record.clamped = true;
  return bounded;
}

function noteClamped({ record, usage }: { record: AttemptRecord; usage: Usage | null }): void {
  if (usage !== null && usage.completion_tokens > record.bytes) record.clamped = true;
}

/** µ$ of each share. Together never more than is held: where rounding up each would pass it, the last has less. */
export function costsOf(job: Job, shares: readonly Share[]): bigint[] {
  let left = job.held?.amount ?? 0n;
  return shares.map(({ promptTokens, completionTokens, price }) => {
    if (price === null) return 0n;
    const gross = grossOf(promptTokens, completionTokens, price.input, price.output);
    const cost = gross < left ? gross : left;
    left -= cost;
    return cost;
  });
}

/** µ$ that the job costs. */
export const chargeFor = (job: Job, shares: readonly Share[]): bigint =>
  costsOf(job, shares).reduce((sum, cost) => sum + cost, 0n);
