// Receipt operations: what is asked about receipts, with the shape of question and answer; part of the one table in
// operations.ts.
import { z } from "zod";
import { pubkeySchema } from "../protocol/primitives.ts";
import { exportDocumentSchema, exportedReceiptSchema, exportLineSchema } from "../protocol/receipt-export.ts";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const filter = {
  node: pubkeySchema.optional(),
  /** An account's id. */
  account: z.string().min(1).max(64).optional(),
  since_ms: z.int().min(0).optional(),
};
const cursor = z.object({ node: pubkeySchema, seq: z.int().min(1) });

const receiptRow = exportedReceiptSchema.extend({
  attempt: z.string(),
  account: z.string(),
  model: z.string(),
  /** Its node vouches for it; else it is the coordinator's word alone. */
  countersigned: z.boolean(),
});

/** Receipts of a page, in listings and in exports. */
export const MAX_RECEIPTS = 500;

export const RECEIPT_OPERATIONS = {
  /** The newest first; `before`: an attempt, for the next page. */
  listReceipts: operation(
    "POST",
    "/receipts/list",
    z.strictObject({
      ...filter,
      before: z.string().max(64).optional(),
      limit: z.int().min(1).max(MAX_RECEIPTS).default(50),
    }),
    z.object({ receipts: z.array(receiptRow), next: z.string().nullable() }),
  ),
  /** Of a job, an attempt, `<node>/<number>`, or all of that number. */
  findReceipts: operation(
    "POST",
    "/receipts/find",
    z.strictObject({ id: z.string().min(1).max(128), salts: z.boolean().default(false) }),
    exportDocumentSchema,
  ),
  exportReceipts: operation(
    "POST",
    "/receipts/export",
    z.strictObject({
      ...filter,
      after: cursor.nullable().default(null),
      limit: z.int().min(1).max(MAX_RECEIPTS).default(MAX_RECEIPTS),
      salts: z.boolean().default(false),
    }),
    z.object({ lines: z.array(exportLineSchema), next: cursor.nullable() }),
  ),
};
