// Trail: through which coordinators a request came. Organisations that lend each other their pools would else send a
// request round and round; with it each coordinator knows where it must not go any more. It travels as two headers
// between coordinators and as two optional fields of a dispatch.
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import type { Pubkey } from "./primitives.ts";

/** How many coordinators passed the request on. */
export const HOPS_HEADER = "x-infernet-hops";
/** Their marks, the first one first, separated by commas. */
export const VIA_HEADER = "x-infernet-via";
/** No network is configured for more (`[coordinator] max_hops`). */
export const MOST_HOPS = 16;

const MARK_CHARS = 16;
/** A coordinator in a trail: the first 16 hex digits of its public key. */
export const markSchema = z.string().regex(/^[0-9a-f]{16}$/, "must be 16 lower-case hex digits");
export const viaSchema = z.array(markSchema).max(MOST_HOPS);
export const hopsSchema = z.int().min(0).max(MOST_HOPS);
export const markOf = (coordinator: Pubkey): string => coordinator.slice(0, MARK_CHARS);

/** `hops` may be more than `via` names: not every coordinator has to name itself. */
export type Trail = { readonly hops: number; readonly via: readonly string[] };

/** Of a request that nobody passed on. */
export const NO_TRAIL: Trail = { hops: 0, via: [] };

/** The trail once these coordinators have passed the request on. */
export const onwards = ({ hops, via }: Trail, coordinators: readonly Pubkey[]): Trail => ({
  hops: hops + 1,
  via: [...new Set([...via, ...coordinators.map(markOf)])].slice(-MOST_HOPS),
});

/**
 * Whether a request with this trail may take a way that leads through `path` (the coordinators behind an offer, the
 * nearest first; none for a backend of one's own): it meets none of them twice and stays within `maxHops`.
 */
export const mayTake = ({ hops, via }: Trail, path: readonly string[], maxHops: number): boolean =>
  path.length === 0 || (hops + path.length <= maxHops && !path.some((mark) => via.includes(mark)));

export const trailHeaders = ({ hops, via }: Trail): Record<string, string> => ({
  [HOPS_HEADER]: `${hops}`,
  ...(via.length > 0 ? { [VIA_HEADER]: via.join(",") } : {}),
});

/** Reads the two headers; without any: a request that nobody passed on. The error is a sentence. */
export function readTrail(headers: { get(name: string): string | null }): Result<Trail, string> {
  const hopsText = headers.get(HOPS_HEADER);
  const viaText = headers.get(VIA_HEADER);
  if (hopsText === null && viaText === null) return ok(NO_TRAIL);
  const hops = hopsSchema.safeParse(hopsText === null ? 0 : /^\d{1,2}$/.test(hopsText) ? Number(hopsText) : null);
  if (!hops.success) return err(`${HOPS_HEADER} must be a count from 0 to ${MOST_HOPS}`);
  const via = viaSchema.safeParse(viaText === null ? [] : viaText.split(",").map((mark) => mark.trim()));
  if (!via.success) {
    return err(`${VIA_HEADER} must be at most ${MOST_HOPS} times ${MARK_CHARS} lower-case hex digits, split by commas`);
  }
  // Who names more coordinators than it counts has counted wrong.
  return ok({ hops: Math.max(hops.data, via.data.length), via: via.data });
}
