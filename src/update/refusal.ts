// Refusal: why an update is not made. Whatever the reason, the executable that was there stays as it was.
import { type Err, err } from "../lib/result.ts";

/** `feed_*`: the address or what it answers. `file_wrong`: what came is not what the release names. */
export type UpdateCode =
  | "feed_invalid"
  | "feed_unreachable"
  | "feed_failed"
  | "no_key"
  | "signature_wrong"
  | "manifest_invalid"
  | "target_missing"
  | "older"
  | "file_wrong"
  | "self_test_failed"
  | "not_writable"
  | "disk_failed"
  | "busy"
  | "nothing_to_restore"
  | "interrupted";

export type UpdateRefusal = {
  code: UpdateCode;
  /** What happened, to which thing. */
  message: string;
  /** What to do next. */
  hint: string | undefined;
};

export const refuse = (code: UpdateCode, message: string, hint?: string): Err<UpdateRefusal> =>
  err({ code, message, hint });
