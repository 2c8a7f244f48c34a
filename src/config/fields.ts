// Fields: what the schema's keys are made of: their notes, bounds and the shapes of list entries.
import { z } from "zod";
import { BACKEND_KINDS } from "../protocol/backend-kinds.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { TERMS } from "../protocol/terms.ts";

/** What a key tells about itself beside its type; read back with `schema.meta()`, so `.meta` comes last on a key. */
export type KeyMeta = {
  /** One line: what it does and why one would change it. */
  why: string;
  /** Never shown in full: `config print` masks it, errors leave the value out. */
  secret?: boolean;
  /** For tests and experts: documented, but not in `--help`. */
  hidden?: boolean;
  /** Short flag without dashes beside the long one, e.g. "port" for `--server-port`. */
  alias?: string;
  /** Shown (commented out) in config.example.toml where the default is empty or differs per machine. */
  example?: string;
  /** What a value may be, where its type does not say it all. */
  allowed?: string;
  /** It may be changed while a coordinator, or a node, runs: what uses it reads it anew. */
  live?: "coordinator" | "node" | "both";
};
/** Notes of a key that may change while a coordinator runs; while a node does. */
export const LIVE = { live: "coordinator" } as const;
export const LIVE_NODE = { live: "node" } as const;

export const key = <T extends z.ZodType>(schema: T, why: string, more: Omit<KeyMeta, "why"> = {}): T =>
  schema.meta({ why, ...more });

export const int = (min: number, max: number) => z.int().min(min).max(max);
export const seconds = (max = 86_400) => int(1, max);
export const optionalText = () => z.string().min(1).nullable().default(null);
/** µ$ per million tokens. */
export const price = () => TERMS.price_input;
export const names = (max: number) => z.array(z.string().min(1).max(max)).max(256).default([]);

function isUrlOf(...schemes: string[]): (value: string) => boolean {
  return (value) => {
    const url = URL.parse(value);
    return url !== null && schemes.includes(url.protocol.slice(0, -1)) && url.username === "" && url.password === "";
  };
}
export const url = (...schemes: string[]) => {
  const allowed = `an address beginning with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}, without credentials`;
  return z
    .string()
    .refine(isUrlOf(...schemes), `must be ${allowed}`)
    .meta({ allowed });
};
export const httpUrl = () => url("http", "https");

/** A coordinator a node dials, with the key it must prove: never trusted on first use. */
export const coordinatorEntrySchema = z.strictObject({ url: httpUrl(), pubkey: pubkeySchema });

/** One inference server the node fronts. */
export const backendEntrySchema = z
  .strictObject({
    kind: z.enum(BACKEND_KINDS),
    /** Left out: the kind's usual address on this machine. */
    url: httpUrl().optional(),
    api_key: z.string().min(1).optional().meta({ secret: true }),
    /** The upstream coordinator's key, for kind `infernet`. */
    pubkey: pubkeySchema.optional(),
    /** Of the upstream, for the role `client`: lets this node in there, once; carries its url and pubkey. */
    join_token: z.string().min(1).optional().meta({ secret: true }),
    /** Requests that an Ollama runs side by side (its OLLAMA_NUM_PARALLEL), which it tells nobody. Left out: 1. */
    parallel: int(1, 256).optional(),
    /** Tokens of context asked of an Ollama for models whose Modelfile names none. Left out: 8192. */
    context_length: int(512, 10_000_000).optional(),
    /** Offer an Ollama's models that run in somebody's cloud, too. */
    cloud_models: z.boolean().optional(),
  })
  .superRefine(({ kind, url, pubkey, join_token: joinToken, ...ofOllama }, ctx) => {
    const refuse = (message: string) => ctx.addIssue({ code: "custom", message });
    const token = joinToken === undefined ? null : decodeJoinToken(joinToken);
    if (token && !token.ok) refuse(token.error.message);
    if (token && kind !== "infernet") refuse('takes "join_token" with kind "infernet" only');
    const needsUrl = kind === "openai" || (kind === "infernet" && token === null);
    if (needsUrl && url === undefined) refuse(`needs "url" with kind "${kind}"`);
    if (kind === "infernet" && pubkey === undefined && token === null)
      refuse('needs "pubkey" (or "join_token") with kind "infernet"');
    if (kind === "embedded" && url !== undefined) refuse('takes no "url" with kind "embedded"');
    for (const key of ["parallel", "context_length", "cloud_models"] as const)
      if (kind !== "ollama" && ofOllama[key] !== undefined) refuse(`takes "${key}" with kind "ollama" only`);
  });

const regionName = /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;
/** A part of the world, the continent first. */
export const region = () =>
  z.string().max(64).regex(regionName).nullable().meta({ allowed: 'a name such as "eu" or "us-east-2"' }).default(null);

const modelName = z.string().min(1).max(256);
/** Other names for models. */
export const aliasesSchema = z
  .record(modelName, z.array(modelName).min(1).max(16))
  .refine((aliases) => Object.keys(aliases).length <= 1024, "has more than 1024 entries")
  .meta({ allowed: "a table of names, each with a list of models" })
  .default({});

/** Prices of models, by name or by the beginning of names. */
export const pricesSchema = TERMS.prices
  .meta({ allowed: "a table of models' names, each with { input = …, output = … }" })
  .default({});

/** Spans of the week in which a node serves. */
export const scheduleSchema = TERMS.schedule
  .meta({ allowed: 'a list of spans such as "mon-fri 18:00-08:00", "sat,sun" or "22:00-06:00", at most 64' })
  .default([]);

/** What a coordinator may ask of a node beside inference. */
export const NODE_COMMANDS = ["models", "drain", "resume", "refresh", "restart", "configure"] as const;
/** Where its operator says nothing: prices are the operator's money, so nobody else changes them unasked. */
export const USUAL_COMMANDS = ["models", "drain", "resume", "refresh", "restart"] as const;
