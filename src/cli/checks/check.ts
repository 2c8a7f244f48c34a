// Check: one thing that `doctor` looked at.

export type Check = {
  name: string;
  state: "good" | "warning" | "bad" | "skipped";
  /** What was seen, in a sentence. */
  message: string;
  /** What to do about it. */
  mend?: string;
};

export const good = (name: string, message: string): Check => ({ name, state: "good", message });
export const warning = (name: string, message: string, mend: string): Check => ({
  name,
  state: "warning",
  message,
  mend,
});
export const bad = (name: string, message: string, mend: string): Check => ({ name, state: "bad", message, mend });
export const skipped = (name: string, message: string): Check => ({ name, state: "skipped", message });
