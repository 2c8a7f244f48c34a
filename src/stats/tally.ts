// Tally: tokens, of all and by model and node, added up over what runs and what has ended. Jobs that run are looked at
// every few seconds; a token costs nothing.
import type { Job } from "../jobs/job.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { type Growth, grow, newGrowth, perS } from "./growth.ts";

/** Of one model or node. */
type Line = { ended: number; live: number; growth: Growth };

export type Tally = ReturnType<typeof createTally>;

export function createTally() {
  const output: Line = newLine();
  const prompt: Line = newLine();
  const models = new Map<string, Line>();
  const nodes = new Map<Pubkey, Line>();
  let spanMs = 0;
  let lastSpanMs = 0;

  return {
    ended({ model, attempts, usage, firstDeltaMs, promptGuess }: Job): void {
      let pieces = 0;
      for (const record of attempts) {
        pieces += record.pieces;
        if (record.pieces > 0) lineOf(nodes, record.node).ended += record.pieces;
      }
      const written = usage?.completion_tokens ?? pieces;
      output.ended += written;
      prompt.ended += usage?.prompt_tokens ?? (firstDeltaMs === null ? 0 : promptGuess);
      if (written > 0) lineOf(models, model).ended += written;
    },

    /** Looks at all that run; tokens since the last look, `elapsedMs` ago. */
    look(live: Iterable<Job>, elapsedMs: number): { prompt: number; output: number } {
      output.live = prompt.live = 0;
      for (const line of models.values()) line.live = 0;
      for (const line of nodes.values()) line.live = 0;
      for (const { model, attempts, firstDeltaMs, promptGuess } of live) {
        if (firstDeltaMs === null) continue;
        prompt.live += promptGuess;
        for (const { node, pieces } of attempts) {
          if (pieces === 0) continue;
          output.live += pieces;
          lineOf(models, model).live += pieces;
          lineOf(nodes, node).live += pieces;
        }
      }
      settle(models);
      settle(nodes);
      lastSpanMs = spanMs;
      spanMs = elapsedMs;
      return { prompt: growOf(prompt), output: growOf(output) };
    },

    /** Tokens a second over the last two looks. */
    outputPerS: (): number => perS(output.growth, spanMs + lastSpanMs),
    promptPerS: (): number => perS(prompt.growth, spanMs + lastSpanMs),
    ofModel: (model: string): number => rateOf(models.get(model), spanMs + lastSpanMs),
    ofNode: (node: Pubkey): number => rateOf(nodes.get(node), spanMs + lastSpanMs),
  };
}

const newLine = (): Line => ({ ended: 0, live: 0, growth: newGrowth() });
const growOf = ({ ended, live, growth }: Line): number => grow(growth, ended + live);
const rateOf = (line: Line | undefined, spanMs: number): number => (line ? perS(line.growth, spanMs) : 0);

function lineOf<K>(lines: Map<K, Line>, key: K): Line {
  const known = lines.get(key);
  if (known) return known;
  const line = newLine();
  lines.set(key, line);
  return line;
}

/** Brings all up to date, and lets go of those where nothing happens any more. */
function settle<K>(lines: Map<K, Line>): void {
  for (const [key, line] of lines) {
    growOf(line);
    const { last, before } = line.growth;
    if (line.live === 0 && last === 0 && before === 0) lines.delete(key);
  }
}
