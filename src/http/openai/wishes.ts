// Wishes: what clients write to say where a request may go: OpenRouter's `provider` object, the `infernet` object beside
// it, `models` and what names a session. Strict about what is known, lenient about what is not; src/scheduler/design.md
// tells what each of them means here.
import { z } from "zod";
import { microUsd } from "../../lib/money.ts";
import { FEATURES, type Feature } from "../../protocol/generation.ts";
import type { Strategy } from "../../scheduler/choose.ts";
import { featureBits, type Wishes } from "../../scheduler/wishes.ts";
import type { Caller } from "../client-auth.ts";

const MAX_REFERENCES = 64;
const MAX_FALLBACKS = 16;
const reference = z.string().trim().min(1).max(128);
const references = z.array(reference.toLowerCase()).max(MAX_REFERENCES).nullish();

/** USD per million tokens, as a number or a decimal → µ$ per million tokens. */
const price = z.union([z.number(), z.string().max(64)]).transform((usd, context) => {
  const amount = microUsd(usd);
  if (amount !== undefined) return amount;
  context.addIssue({ code: "custom", message: 'must be an amount in USD per million tokens, such as 0.5 or "0.5"' });
  return z.NEVER;
});

const SORTS = { price: "cheapest", throughput: "fastest", latency: "latency" } as const satisfies Record<
  string,
  Strategy
>;
const sort = z.enum(["price", "throughput", "latency"]);

/** OpenRouter's `provider`: its providers are nodes here. */
const providerSchema = z.object({
  order: references.describe("Nodes to try first: names, keys, accounts or private pools."),
  only: references.describe("No other nodes."),
  ignore: references.describe("Not these nodes."),
  allow_fallbacks: z.boolean().nullish().describe("false: no node outside order, and no other model."),
  require_parameters: z.boolean().nullish().describe("Only nodes known to have what the request uses."),
  /** What it costs by the request or the image is nothing here, so no bound on that is passed. */
  max_price: z
    .object({ prompt: price.nullish(), completion: price.nullish(), request: price.nullish(), image: price.nullish() })
    .nullish()
    .describe("prompt and completion, in USD per million tokens."),
  sort: z
    .union([sort, z.object({ by: sort }).transform(({ by }) => by)])
    .nullish()
    .describe("What counts above all."),
  quantizations: z
    .array(z.string().trim().toLowerCase().min(1).max(64))
    .max(MAX_REFERENCES)
    .nullish()
    .describe("Such as int4 or Q4_K_M."),
  // Taken and of no effect: what a node's operator keeps cannot be proved. Who minds has private nodes.
  data_collection: z.enum(["allow", "deny"]).nullish().describe("Without effect: use a private pool."),
  zdr: z.boolean().nullish().describe("Without effect, likewise."),
});

const infernetSchema = z.object({
  strategy: z.enum(["balanced", "cheapest", "fastest"]).nullish().describe("How the node is chosen."),
  pool: reference.toLowerCase().nullish().describe("Only nodes of this pool; public means everybody's."),
  region: reference.toLowerCase().nullish().describe("Only nodes that stand there."),
  session: z.string().min(1).max(256).nullish().describe("Names a conversation, so that it stays with its node."),
  verification: z.literal("none", { error: 'answers cannot be verified yet: leave it out, or say "none"' }).nullish(),
});

/** The fields of a request's body that are wishes. */
export const wishFields = {
  models: z
    .array(z.string().min(1).max(256))
    .max(MAX_FALLBACKS)
    .nullish()
    .describe("Others to fall back to, in order."),
  provider: providerSchema.nullish().describe("OpenRouter's wishes; its providers are nodes here."),
  infernet: infernetSchema.nullish().describe("Wishes of infernet's own."),
  prompt_cache_key: z.string().max(256).nullish().describe("OpenAI's name for what infernet.session is."),
};

/** What a request uses beyond text, as far as its body tells. */
export type Uses = {
  tools?: readonly unknown[] | null | undefined;
  logprobs?: boolean | number | null | undefined;
  response_format?: { type: string } | null | undefined;
  messages: readonly { content?: string | readonly { type: string }[] | null | undefined }[];
};

export function needsOf({ tools, logprobs, response_format: format, messages }: Uses): number {
  const uses: Record<Feature, boolean> = {
    tools: (tools?.length ?? 0) > 0,
    json: format != null && format.type !== "text",
    logprobs: logprobs === true || (typeof logprobs === "number" && logprobs > 0),
    vision: messages.some(({ content }) => Array.isArray(content) && content.some(({ type }) => isImage(type))),
    reasoning: false,
  };
  return featureBits(FEATURES.filter((feature) => uses[feature]));
}

export const isImage = (type: string): boolean => type === "image_url" || type === "input_image";

type WishBody = z.infer<z.ZodObject<typeof wishFields>>;

export function wishesOf(
  { provider, infernet }: Partial<WishBody>,
  needs: number,
  { pools = [] }: Pick<Caller, "pools">,
  strategy: Strategy,
): Wishes {
  const sorted = provider?.sort == null ? null : SORTS[provider.sort];
  return {
    strategy: infernet?.strategy ?? sorted ?? strategy,
    pools,
    pool: infernet?.pool ?? null,
    order: provider?.order ?? [],
    only: provider?.only ?? [],
    ignore: provider?.ignore ?? [],
    allowFallbacks: provider?.allow_fallbacks ?? true,
    maxPriceInput: provider?.max_price?.prompt ?? null,
    maxPriceOutput: provider?.max_price?.completion ?? null,
    needs,
    requireNeeds: provider?.require_parameters ?? false,
    quantizations: provider?.quantizations ?? [],
    region: infernet?.region ?? null,
  };
}

/** The session that the client named, in the body or the header `x-session-id`; null where it named none. */
export const sessionOf = (
  { infernet, prompt_cache_key: cacheKey }: Partial<WishBody>,
  { session }: Pick<Caller, "session">,
): string | null => infernet?.session ?? cacheKey ?? session ?? null;
