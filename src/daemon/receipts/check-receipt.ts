// Check a receipt: what a node compares before it vouches for one. The chain and the signature were looked at before.
import { toHex } from "../../lib/hex.ts";
import type { Delta } from "../../protocol/generation.ts";
import { grossOf, hashDelta, type Receipt, saltedHasher } from "../../protocol/receipts.ts";
import type { Witness } from "./witness.ts";

/** Attempts of one job that may have been rounded up, all but the last of them by less than 1 µ$. */
const ROUNDING_MICRO_USD = 16n;

/**
 * Why this node does not vouch for a receipt about an attempt that it saw; undefined where nothing speaks against it.
 * Fewer tokens than its own count are explained by what coordinators clamp (SPEC: output to the bytes that passed and to
 * the bound, prompt to the request's bytes), by a cancellation or a loss of the link, and by a part in another node's answer.
 */
export function receiptFault(receipt: Receipt, salt: Uint8Array, witness: Witness): string | undefined {
  const request = new Uint8Array(saltedHasher(salt).update(witness.request).digest());
  if (!same(receipt.requestHash, request))
    return `request_hash at byte 315 is not that of the request, ${toHex(request)}`;
  return tokensFault(receipt, witness) ?? amountFault(receipt, witness) ?? outputFault(receipt, salt, witness);
}

function tokensFault(
  { promptTokens, completionTokens }: Receipt,
  { deltas, end, ...seen }: Witness,
): string | undefined {
  const bytes = deltas.reduce((sum, delta) => sum + outputBytes(delta), 0);
  if (completionTokens > bytes) return `completion_tokens ${completionTokens} at byte 279; ${bytes} bytes were sent`;
  if (end?.outcome !== "completed" || !end.usage || !seen.isFirst || !seen.counts) return undefined;
  const own = { prompt: end.usage.prompt_tokens, completion: end.usage.completion_tokens };
  if (promptTokens > own.prompt) return `prompt_tokens ${promptTokens} at byte 275; this node counted ${own.prompt}`;
  if (promptTokens < Math.min(own.prompt, seen.request.length))
    return `prompt_tokens ${promptTokens} at byte 275; this node counted ${own.prompt}`;
  if (completionTokens > own.completion)
    return `completion_tokens ${completionTokens} at byte 279; this node counted ${own.completion}`;
  const least = Math.min(own.completion, bytes, seen.limit ?? 0);
  if (completionTokens < least)
    return `completion_tokens ${completionTokens} at byte 279; this node counted ${own.completion}`;
  return undefined;
}

function amountFault(receipt: Receipt, { prices, isFirst }: Witness): string | undefined {
  const { gross, promptTokens, completionTokens } = receipt;
  const least = grossOf(promptTokens, completionTokens, prices.least.input, prices.least.output);
  const most = grossOf(promptTokens, completionTokens, prices.most.input, prices.most.output);
  if (gross > most) return `gross ${gross} at byte 249; this node asks for ${most}`;
  if (gross < least - (isFirst ? 0n : ROUNDING_MICRO_USD))
    return `gross ${gross} at byte 249; this node asks for ${least}`;
  return undefined;
}

/** Where the whole answer counts, the hash is that of what was sent. */
function outputFault(
  receipt: Receipt,
  salt: Uint8Array,
  { deltas, end, isFirst, counts, limit }: Witness,
): string | undefined {
  if (end?.outcome !== "completed" || !isFirst || !counts) return undefined;
  const { usage } = end;
  // At the bound the coordinator may have cut it.
  if (limit === null || !usage || receipt.completionTokens >= limit) return undefined;
  const hasher = saltedHasher(salt);
  for (const delta of deltas) hashDelta(hasher, delta);
  const output = new Uint8Array(hasher.digest());
  return same(receipt.outputHash, output)
    ? undefined
    : `output_hash at byte 347 is not that of what was sent, ${toHex(output)}`;
}

function outputBytes(delta: Delta): number {
  let bytes = 0;
  hashDelta({ update: (text) => (bytes += Buffer.byteLength(text)) }, delta);
  return bytes;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
