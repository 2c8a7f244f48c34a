// Shapes of what polling nodes send. The existing daemons leave out, or send as null, what they do not know; fields
// that are not here are let pass unread.
import { z } from "zod";
import { hex128Schema } from "../../protocol/primitives.ts";
import { NODE_ROLES } from "../../registry/schema.ts";

const optional = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? undefined);
const role = z.string().toLowerCase().pipe(z.enum(NODE_ROLES));
const specs = optional(z.record(z.string(), z.unknown()));
const place = {
  address: optional(z.string().max(256)),
  port: optional(z.int().min(0).max(65_535)),
};

export const registerSchema = z.object({
  role,
  node_id: z.string().trim().min(1).max(128),
  name: optional(z.string().trim().max(128)),
  ...place,
  gpu_model: optional(z.string().max(128)),
  price: optional(z.number().min(0)),
  specs,
  /** Lets the key in at once. */
  join_token: optional(z.string().max(512)),
});

export const heartbeatSchema = z.object({ role, status: optional(z.string().max(32)), ...place, specs });

/** Any number, brought between 1 and 25. */
export const pollSchema = z.object({
  limit: optional(z.number()).transform((limit = 5) => Math.min(25, Math.max(1, Math.trunc(limit)))),
});

const text = optional(z.string().max(1024 * 1024));
export const MAX_EVENTS = 200;
export const EVENT_TYPES = ["meta", "token", "done", "error"] as const;
export const eventsSchema = z.object({
  events: z
    .array(
      z.object({
        event_type: z.enum(EVENT_TYPES),
        data: optional(z.looseObject({ text, reason: optional(z.string().max(64)), message: text })),
      }),
    )
    .min(1)
    .max(MAX_EVENTS),
});
export type PolledEvent = z.output<typeof eventsSchema>["events"][number];

const tokens = z
  .number()
  .min(0)
  .max(2 ** 31 - 1)
  .transform(Math.trunc)
  .nullish()
  .catch(undefined);
export const completeSchema = z.object({
  status: z.enum(["completed", "failed"]),
  result: optional(z.looseObject({ text, token_count: tokens, prompt_tokens: tokens, reason: text })),
  error: text,
  code: optional(z.string().max(64)),
});
export type CompleteBody = z.output<typeof completeSchema>;

export const commandEndSchema = z.object({
  status: z.enum(["completed", "failed"]),
  error: text,
});

const bytes = z.number().min(0).max(Number.MAX_SAFE_INTEGER).transform(Math.trunc).nullish().catch(null);
export const commandProgressSchema = z.object({
  progress: z.object({
    /** What is being done: `status` in the words of whoever does it, `phase` in general. */
    status: optional(z.string()),
    phase: optional(z.string()),
    completed: bytes,
    total: bytes,
  }),
});

/** `code`: what the account gave the node's operator (protocol/account-link.ts). */
export const accountLinkSchema = z.object({ code: z.string().max(1_024), sig: hex128Schema });

export const payoutSchema = z.object({
  coin: z
    .string()
    .trim()
    .toUpperCase()
    .regex(/^[A-Z0-9]{1,16}$/, "letters and digits, at most 16"),
  network: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9._:-]{1,64}$/, "letters, digits and . _ : -, at most 64"),
  address: z
    .string()
    .trim()
    .regex(/^[\x21-\x7e]{1,128}$/, "1 to 128 printable characters without spaces"),
});
