// Update operations: which version runs, and what the feed of releases has; part of the one table in operations.ts.
import { z } from "zod";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const nothing = z.strictObject({});
const updateState = z.object({
  /** What runs. */
  version: z.string(),
  /** `<os>-<arch>` it was built for; null where it runs from its sources. */
  target: z.string().nullable(),
  /** Where releases are looked for; null where nobody said. */
  feed: z.string().nullable(),
  /** Whether it is looked at once a day without being asked. */
  daily: z.boolean(),
  /** What the feed had when it was looked at last, signed by a key that is trusted here; null before the first look. */
  found: z
    .object({
      version: z.string(),
      /** When it was released, ISO 8601 in UTC. */
      date: z.string(),
      /** Unix time, ms. */
      checked_ms: z.int().min(0),
      /** How it stands to what runs now. */
      order: z.enum(["newer", "same", "older"]),
      /** It has an executable for this target. */
      fits: z.boolean(),
    })
    .nullable(),
});
export type UpdateState = z.output<typeof updateState>;

export const UPDATE_OPERATIONS = {
  /** Asks nobody. */
  readUpdate: operation("GET", "/update", nothing, updateState),
  /** Looks at the feed now; what it has is kept. */
  checkUpdate: operation("POST", "/update/check", nothing, updateState),
} as const;
