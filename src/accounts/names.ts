// Names: how people and organisations are called.
import { z } from "zod";

const MAX_CHARS = 128;

/** One line as somebody wrote it: no control characters, which databases cut and terminals obey. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, "is needed")
  .max(MAX_CHARS, `may have ${MAX_CHARS} characters`)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must be one line without control characters");

/** `text`, from a provider or an address, as a name. */
export const asName = (text: string): string =>
  text
    .slice(0, MAX_CHARS)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, " ");
