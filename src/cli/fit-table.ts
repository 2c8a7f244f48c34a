// Fit table: what a machine can run, as text for people.
import { FIT_CONTEXT, type Fit, gib, type Place } from "../daemon/device/fit.ts";
import { table } from "./table.ts";

const PLACES: Record<Place, string> = { gpu: "", memory: " (slow)", none: "" };

/** A row for each size, a column for each quantisation: what it takes, or a dash where it does not fit. */
export function fitTable(rows: readonly Fit[], colors = false): string {
  const quantizations = [...new Set(rows.map(({ quantization }) => quantization))];
  const bySize = Map.groupBy(rows, ({ size }) => size);
  const lines = Array.from(bySize, ([size, fits]) => [
    size,
    ...fits.map(({ needsMib, place }) => (place === "none" ? null : gib(needsMib) + PLACES[place])),
  ]);
  return table(["MODEL", ...quantizations], lines, colors);
}

export const FIT_NOTE = `Weights and ${FIT_CONTEXT} tokens of context; "slow" is on the processor, a dash does not fit or is too slow.`;
