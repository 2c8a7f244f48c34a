// Emails: the one spelling in which a person's address is kept and compared.
import { z } from "zod";

/** RFC 5321 §4.5.3.1.3, without the brackets. */
const MAX_CHARS = 254;
/** A dot-atom at a domain name: what people have. Quoted local parts, comments and address literals are left out. */
const PATTERN =
  /^[^\s@<>()[\]\\,;:"\p{C}]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)*[\p{L}\p{N}-]{1,63}$/u;

const RULE = "must be an email address";

/** An address, as people write it; parsed: trimmed, NFKC, lower case. */
export const emailSchema = z
  .string()
  .max(MAX_CHARS * 2)
  .transform((text) => text.normalize("NFKC").trim().toLowerCase())
  .pipe(z.string().min(3, RULE).max(MAX_CHARS, RULE).regex(PATTERN, RULE));

/** What stands after the `@`. */
export const domainOf = (email: string): string => email.slice(email.lastIndexOf("@") + 1);
