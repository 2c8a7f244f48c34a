// StartError: why an instance cannot start, with the mend; the command line prints both.
import type { StartRefusal } from "../identity/start-refusal.ts";
import type { Result } from "../lib/result.ts";

export class StartError extends Error {
  override readonly name = "StartError";
  readonly code: string;
  /** What to do next. */
  readonly hint: string;
  constructor({ code, message, hint }: StartRefusal, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** The value, or the refusal thrown as a StartError. */
export function startValue<T>(result: Result<T, StartRefusal>): T {
  if (!result.ok) throw new StartError(result.error);
  return result.value;
}
