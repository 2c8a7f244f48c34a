// Operation: what every operation does around its own act.
import type { z } from "zod";
import { StorageError } from "../db/errors.ts";
import { err, type Result } from "../lib/result.ts";
import { type AdminError, type Operation, parseInput } from "./operations.ts";

export type Answer<T> = Promise<Result<T, AdminError>>;

/** `act` behind the check of its input; what the storage refuses becomes an answer. */
export function operation<I extends z.ZodType, T>(
  shape: Operation<I>,
  act: (input: z.output<I>) => Answer<T>,
): (input: z.input<I>) => Answer<T> {
  return async (input) => {
    const parsed = parseInput(shape, input);
    if (!parsed.ok) return parsed;
    try {
      return await act(parsed.value);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return err({ code: "storage_failed", message: error.message });
    }
  };
}
