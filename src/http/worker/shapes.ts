// Shapes of what external workers send. README.md tells how they are used.
import { z } from "zod";
import { modelOfferSchema } from "../../protocol/frames.ts";
import {
  deltaSchema,
  featureSchema,
  finishReasonSchema,
  MAX_DELTA_CHARS,
  taskSchema,
  usageSchema,
} from "../../protocol/generation.ts";
import { modelPricesSchema, pricesSchema } from "../../protocol/prices.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";

const worker = pubkeySchema;
const modelSchema = z.strictObject({
  name: modelOfferSchema.shape.name,
  context_length: modelOfferSchema.shape.context_length.optional(),
  tasks: z.array(taskSchema).min(1).max(8).default(["chat"]),
  features: z.array(featureSchema).max(16).optional(),
  quantization: modelOfferSchema.shape.quantization.optional(),
});

export const registerSchema = z.object({
  name: z.string().trim().min(1).max(128),
  models: z
    .array(
      z.union([
        z
          .string()
          .min(1)
          .max(256)
          .transform((name) => modelSchema.parse({ name })),
        modelSchema,
      ]),
    )
    .min(1)
    .max(1024),
  /** Jobs it may have at a time. */
  slots: z.int().min(1).max(256).default(1),
  /** It can go on with an answer that another began: `messages` then end with the assistant's. */
  continues: z.boolean().default(false),
  /** µ$ per million tokens. */
  prices: pricesSchema.optional(),
  /** Of models that cost something else. */
  model_prices: modelPricesSchema.optional(),
});
export type RegisterBody = z.output<typeof registerSchema>;

export const nextSchema = z.strictObject({
  worker,
  /** Seconds to wait for a job. */
  wait_s: z.number().min(0).max(60).default(20),
});
export const outputSchema = z
  .strictObject({
    /** Pieces sent before these. */
    offset: z.int().min(0).default(0),
    /** One piece of text; or … */
    text: z.string().max(MAX_DELTA_CHARS).optional(),
    /** … pieces in OpenAI's fields. */
    deltas: z.array(deltaSchema).max(1024).optional(),
  })
  .refine(({ text, deltas }) => text === undefined || deltas === undefined, "give text or deltas, not both");
export const finishSchema = z.strictObject({
  finish_reason: finishReasonSchema.default("stop"),
  usage: usageSchema.optional(),
  /** The whole answer: what of it was not sent yet is. */
  text: z
    .string()
    .max(1024 * 1024)
    .optional(),
});
export const failSchema = z.strictObject({
  error: z.string().min(1).max(2000),
  code: z.string().max(64).optional(),
  /** False: no other node would do better; the client is told. */
  retry: z.boolean().default(true),
});
export const leaveSchema = z.strictObject({ worker });
