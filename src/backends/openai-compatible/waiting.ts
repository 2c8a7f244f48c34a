// Waiting: asks again and again until something is so, for what servers do in the background.
import { err, ok, type Result } from "../../lib/result.ts";
import type { BackendError } from "../backend.ts";
import { orAborted } from "../http.ts";

const ABORTED: BackendError = { code: "aborted", message: "aborted" };

/** Asks until the answer is not "not yet"; one that cannot be had ends it. */
export async function until(
  pollMs: number,
  signal: AbortSignal,
  ask: () => Promise<Result<"done" | "not yet", BackendError>>,
): Promise<Result<void, BackendError>> {
  while (!signal.aborted) {
    const answer = await ask();
    if (!answer.ok) return signal.aborted ? err(ABORTED) : answer;
    if (answer.value === "done") return ok(undefined);
    await orAborted(Bun.sleep(pollMs), signal);
  }
  return err(ABORTED);
}
