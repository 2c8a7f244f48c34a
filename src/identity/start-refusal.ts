// Refusals at start: what is wrong with the place an instance is to run from, and the mend.

export type StartRefusal<Code extends string = string> = {
  code: Code;
  /** What happened, to which thing. */
  message: string;
  /** What to do next. */
  hint: string;
};

/** The `code` of a system error (`ENOENT`, …), or null where it is none. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}
