// Sampling: OpenAI's fields as Ollama's `options` (api/types.go, `Options`). Only what shapes the answer goes through:
// options that load the model anew or change what the machine gives it (num_ctx, num_gpu, keep_alive) are the owner's.
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

/** OpenAI's name → Ollama's option; of two for one, the later wins. */
const OPTIONS: [string, string][] = [
  ["max_tokens", "num_predict"],
  ["max_completion_tokens", "num_predict"],
  ["temperature", "temperature"],
  ["top_p", "top_p"],
  ["top_k", "top_k"],
  ["min_p", "min_p"],
  ["typical_p", "typical_p"],
  ["seed", "seed"],
  ["frequency_penalty", "frequency_penalty"],
  ["presence_penalty", "presence_penalty"],
  ["repeat_penalty", "repeat_penalty"],
  ["repeat_last_n", "repeat_last_n"],
];
const WHOLE = new Set(["num_predict", "top_k", "seed", "repeat_last_n"]);
/** Names a client may use inside `options`, as Ollama's own clients do. */
const OWN_NAMES = new Set(OPTIONS.map(([, to]) => to).filter((name) => name !== "num_predict"));

const MAX_STOPS = 16;

/** The error is a sentence for the client: Ollama itself answers a wrong type with 500, as if it had failed. */
export function readOptions(body: Record<string, unknown>): Result<Record<string, unknown>, string> {
  const options: Record<string, unknown> = {};
  const own = isRecord(body.options) ? body.options : {};
  const given: [string, string, unknown][] = [
    ...Object.entries(own).flatMap(([name, value]): [string, string, unknown][] =>
      OWN_NAMES.has(name) ? [[`options.${name}`, name, value]] : [],
    ),
    ...OPTIONS.map(([from, to]): [string, string, unknown] => [from, to, body[from]]),
  ];
  for (const [from, to, value] of given) {
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || (WHOLE.has(to) && !Number.isInteger(value)))
      return err(`${from} must be a ${WHOLE.has(to) ? "whole number" : "number"}`);
    options[to] = value;
  }
  const stop = body.stop ?? own.stop ?? [];
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop];
  if (stops.length > MAX_STOPS || stops.some((item) => typeof item !== "string"))
    return err(`stop must be text or a list of at most ${MAX_STOPS} texts`);
  if (stops.length > 0) options.stop = stops;
  return ok(options);
}

const MAX_CHOICES = 16;

/** How many choices are asked for (OpenAI: `n`). */
export function readChoices({ n = 1 }: Record<string, unknown>): Result<number, string> {
  if (n === null) return ok(1);
  if (typeof n === "number" && Number.isInteger(n) && n >= 1 && n <= MAX_CHOICES) return ok(n);
  return err(`n must be a whole number from 1 to ${MAX_CHOICES}`);
}
