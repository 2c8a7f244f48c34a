// Collect: runs one generation in a test and keeps everything it gave.
import type { Result } from "../../lib/result.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { Backend, BackendError, GenerateEnd } from "../backend.ts";

export type Collected = {
  deltas: Delta[];
  /** All text of choice 0. */
  text: string;
  result: Result<GenerateEnd, BackendError>;
};

/** Text of one choice, joined. */
export function textOf(deltas: Delta[], index = 0): string {
  return deltas
    .filter((delta) => (delta.index ?? 0) === index)
    .map((delta) => delta.content ?? "")
    .join("");
}

/** Runs `body` (with a default question) on `backend`. `onDelta` may abort or wait. */
export async function collect(
  backend: Backend,
  body: Record<string, unknown> = {},
  {
    signal = new AbortController().signal,
    onDelta,
  }: { signal?: AbortSignal; onDelta?: (delta: Delta) => Promise<void> | undefined } = {},
): Promise<Collected> {
  const deltas: Delta[] = [];
  const model = typeof body.model === "string" ? body.model : "m";
  const result = await backend.generate(
    { task: "chat", model, body: { messages: [{ role: "user", content: "hi" }], ...body, model } },
    (delta) => {
      deltas.push(delta);
      return onDelta?.(delta);
    },
    signal,
  );
  return { deltas, text: textOf(deltas), result };
}
