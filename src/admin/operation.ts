// Operation: what every operation does around its own act.
import type { z } from "zod";
import { type Caller, LOCAL_CALLER } from "../accounts/caller.ts";
import { storageFault } from "../db/errors.ts";
import { err, type Result } from "../lib/result.ts";
import { type AdminError, type Operation, parseInput } from "./operations.ts";

export type Answer<T> = Promise<Result<T, AdminError>>;

/** `act` behind the check of its input; what the storage refuses becomes an answer. */
export function operation<I extends z.ZodType, T>(
  shape: Operation<I>,
  act: (input: z.output<I>, by: Caller) => Answer<T>,
): (input: z.input<I>, by?: Caller) => Answer<T> {
  return async (input, by = LOCAL_CALLER) => {
    const parsed = parseInput(shape, input);
    if (!parsed.ok) return parsed;
    try {
      return await act(parsed.value, by);
    } catch (error) {
      const fault = storageFault(error);
      if (fault === null) throw error;
      return err({ code: "storage_failed", message: fault.message });
    }
  };
}
