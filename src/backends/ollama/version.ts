// Version: which Ollama it is, and since when it can what.
import { isRecord } from "../record.ts";

export type Version = readonly [major: number, minor: number, patch: number];

export const SINCE = {
  /** `logprobs` and `top_logprobs`. */
  logprobs: [0, 12, 11],
  /** `truncate: false` and `shift: false` on `/api/chat` and `/api/generate`: an error instead of a cut prompt. */
  refusesOverflow: [0, 12, 6],
} as const satisfies Record<string, Version>;

/** Reads `/api/version`; null where it is no release (a build from source says "0.0.0"). */
export function readVersion(answer: unknown): Version | null {
  const text = isRecord(answer) && typeof answer.version === "string" ? answer.version : "";
  const [, major, minor, patch] = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})/.exec(text) ?? [];
  const version = [Number(major), Number(minor), Number(patch)] as const;
  return version.every(Number.isInteger) && version.some((part) => part > 0) ? version : null;
}

/** An unknown version counts as a new one. */
export function isAtLeast(version: Version | null, least: Version): boolean {
  if (version === null) return true;
  for (const [i, part] of version.entries()) {
    const other = least[i] ?? 0;
    if (part !== other) return part > other;
  }
  return true;
}
