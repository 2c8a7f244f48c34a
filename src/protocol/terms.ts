// Terms: what a node's operator has set of its work: how many jobs side by side, for how much, and when. A node tells its
// coordinators; one that it lets may change them.
import { z } from "zod";
import { parseSpan } from "./schedule.ts";

const int = (min: number, max: number) => z.int().min(min).max(max);
/** µ$ per million tokens. A billion is 1,000 USD. */
export const MAX_PRICE = 1_000_000_000_000;
const price = int(0, MAX_PRICE);
const MAX_SPANS = 64;
const MAX_SPAN_CHARS = 128;
export const MAX_PATTERNS = 1024;
/** Of one change: a command is stored, listed and sent again. */
export const MAX_CHANGED_PATTERNS = 128;

/** A span of the week in which a node serves, as `parseSpan` reads it. */
export const spanSchema = z
  .string()
  .max(MAX_SPAN_CHARS)
  .superRefine((text, ctx) => {
    const parsed = parseSpan(text);
    if (!parsed.ok) ctx.addIssue({ code: "custom", message: parsed.error });
  });

export const MAX_PATTERN_CHARS = 257;
/** The name of a model, or the beginning of names with a `*` behind it. */
export const patternSchema = z
  .string()
  .max(MAX_PATTERN_CHARS)
  .regex(/^[^*\p{Cc}]+\*?$|^\*$/u, 'must be the name of a model, or the beginning of names and a "*"');
/** Prices of models. */
export const patternPricesSchema = z.record(patternSchema, z.strictObject({ input: price, output: price }));
const atMost = (max: number) =>
  patternPricesSchema.refine((prices) => Object.keys(prices).length <= max, `has more than ${max} entries`);

/** What each is and may be, named as in `[node]` of config.toml. */
export const TERMS = {
  /** Jobs side by side; 0 asks the backends. */
  slots: int(0, 4096),
  price_input: price,
  price_output: price,
  /** Of models that cost something else. */
  prices: atMost(MAX_PATTERNS),
  /** When it serves, in its local time; always where there is none. */
  schedule: z.array(spanSchema).max(MAX_SPANS),
  /** Only while nobody else uses its machine: what follows says from when on somebody does. */
  idle_only: z.boolean(),
  idle_gpu_percent: int(0, 100),
  idle_cpu_percent: int(0, 100),
  idle_busy_s: int(1, 600),
  idle_resume_s: int(1, 86_400),
  idle_drain_s: int(0, 3600),
} as const;
export type Term = keyof typeof TERMS;
export const TERM_NAMES = Object.keys(TERMS) as readonly Term[];

/** As in names of keys and commands: some of them are shown as a command to be run. */
export const wordSchema = z.string().regex(/^[a-z_]{1,64}$/);
/** What a node says of itself. Its spans are only text here: a later program may know others. */
export const nodeTermsSchema = z.object({
  ...TERMS,
  schedule: z.array(z.string().max(MAX_SPAN_CHARS)).max(MAX_SPANS),
  /** Those that a flag or the environment of the node fixes. */
  fixed: z.array(wordSchema).max(64),
  /** What it lets this coordinator ask of it, as in `allow_commands`. */
  allows: z.array(wordSchema).max(64),
});
export type NodeTerms = z.infer<typeof nodeTermsSchema>;

/** What is run on a node's machine to let its coordinators ask this of it too; `group` as in `allows`. */
export const allowingCommand = (allows: readonly string[], group: string): string =>
  `infernet settings set node.allow_commands ${[...new Set([...allows, group])].join(",")}`;

/** Some of them, as they are to be. */
export const termsChangeSchema = z
  .strictObject({ ...TERMS, prices: atMost(MAX_CHANGED_PATTERNS) })
  .partial()
  .refine((change) => Object.keys(change).length > 0, `names none of ${TERM_NAMES.join(", ")}`);
export type TermsChange = z.infer<typeof termsChangeSchema>;
