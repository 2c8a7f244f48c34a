// Sampling: reads how to generate from a client's request (OpenAI's fields, and llama.cpp's top_k, min_p beside them).
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";

export type Sampling = {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  /** 32 bits; null means a different one each time. */
  seed: number | null;
  /** null: as far as the context reaches. */
  maxTokens: number | null;
  stops: string[];
  choices: number;
  frequencyPenalty: number;
  presencePenalty: number;
  /** Token id to bias, -100 (never) to 100. */
  logitBias: [number, number][];
  /** Likeliest tokens to tell of beside each token; null tells of none. */
  topLogprobs: number | null;
  format: Format;
};

/** What the answer is held to; `schema` null is any JSON object. */
export type Format = { type: "text" } | { type: "json"; schema: unknown };

const MAX_CHOICES = 16;
const MAX_STOPS = 16;
const MAX_STOP_CHARS = 1024;
const MAX_TOP_LOGPROBS = 20;

/** `defaultTemperature` counts where the request names none. The error is a sentence for the client. */
export function readSampling(body: Record<string, unknown>, defaultTemperature: number): Result<Sampling, string> {
  const fields = {
    temperature: number(body, "temperature", 0, 2, defaultTemperature),
    topP: number(body, "top_p", 0, 1, 0.95),
    topK: number(body, "top_k", 0, 1e6, 40),
    minP: number(body, "min_p", 0, 1, 0),
    frequencyPenalty: number(body, "frequency_penalty", -2, 2, 0),
    presencePenalty: number(body, "presence_penalty", -2, 2, 0),
    choices: number(body, "n", 1, MAX_CHOICES, 1),
  };
  for (const value of Object.values(fields)) if (typeof value === "string") return err(value);
  const limits = fields as { [K in keyof typeof fields]: number };
  if (!Number.isInteger(limits.choices)) return err("n must be a whole number");
  const stops = readStops(body.stop);
  if (stops === null) return err(`stop must be text or a list of at most ${MAX_STOPS} texts`);
  const format = readFormat(body.response_format);
  if (!format.ok) return format;
  const topLogprobs = readTopLogprobs(body);
  if (topLogprobs === undefined)
    return err(`top_logprobs (of a completion: logprobs) must be 0 to ${MAX_TOP_LOGPROBS}`);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? null;
  if (maxTokens !== null && !(typeof maxTokens === "number" && Number.isInteger(maxTokens) && maxTokens > 0)) {
    return err("max_tokens must be a whole number above 0");
  }
  const seed = body.seed ?? null;
  if (seed !== null && !(typeof seed === "number" && Number.isInteger(seed))) return err("seed must be a whole number");
  const logitBias = readLogitBias(body.logit_bias);
  return ok({ ...limits, seed, maxTokens, stops, logitBias, topLogprobs, format: format.value });
}

function readFormat(format: unknown): Result<Format, string> {
  if (format === undefined || format === null) return ok({ type: "text" });
  const type = isRecord(format) ? format.type : format;
  if (type === "text") return ok({ type });
  if (type === "json_object") return ok({ type: "json", schema: null });
  const named = isRecord(format) ? format.json_schema : null;
  if (type === "json_schema" && isRecord(named) && isRecord(named.schema))
    return ok({ type: "json", schema: named.schema });
  return err("response_format must be text, json_object, or json_schema with a schema");
}

/** Chats ask with `logprobs: true` and `top_logprobs`, completions with `logprobs: 5`. Undefined for nonsense. */
function readTopLogprobs({ logprobs, top_logprobs: top }: Record<string, unknown>): number | null | undefined {
  if (logprobs === undefined || logprobs === null || logprobs === false) return null;
  const wanted = logprobs === true ? (top ?? 0) : logprobs;
  const fits = typeof wanted === "number" && Number.isInteger(wanted) && wanted >= 0 && wanted <= MAX_TOP_LOGPROBS;
  return fits ? wanted : undefined;
}

/** A number within bounds, the default where absent or null, or a sentence that says what is wrong. */
function number(body: Record<string, unknown>, key: string, min: number, max: number, absent: number): number | string {
  const value = body[key] ?? absent;
  const fits = typeof value === "number" && value >= min && value <= max;
  return fits ? value : `${key} must be a number from ${min} to ${max}`;
}

function readStops(stop: unknown): string[] | null {
  if (stop === undefined || stop === null) return [];
  const list: unknown[] = Array.isArray(stop) ? stop : [stop];
  if (list.length > MAX_STOPS) return null;
  const texts = list.filter((item): item is string => typeof item === "string" && item.length <= MAX_STOP_CHARS);
  return texts.length === list.length ? texts : null;
}

function readLogitBias(bias: unknown): [number, number][] {
  if (!isRecord(bias)) return [];
  const pairs: [number, number][] = [];
  for (const [token, value] of Object.entries(bias)) {
    if (/^\d{1,9}$/.test(token) && typeof value === "number" && Number.isFinite(value))
      pairs.push([Number(token), value]);
  }
  return pairs;
}
