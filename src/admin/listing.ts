// Listing: long lists of people and what is theirs, a part at a time, and the cursors between parts as text.
import { z } from "zod";
import type { ListCursor, Span } from "../accounts/listing.ts";

/** `newer:<ms>:<id>` or `older:<ms>:<id>`. */
const CURSOR = /^(newer|older):(\d{1,15}):([\w-]{1,64})$/;
const writeCursor = (to: ListCursor["to"], { createdMs, id }: Row): string => `${to}:${createdMs}:${id}`;

/** Of an operation that lists: left out, all of it. */
export const listInput = {
  cursor: z
    .string()
    .regex(CURSOR, "is none that an answer gave")
    .transform((text): ListCursor => {
      const [to, createdMs, id = ""] = text.split(":");
      return { to: to === "newer" ? "newer" : "older", createdMs: Number(createdMs), id };
    })
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).optional(),
};
/** Cursors to what is newer and older; null where there is nothing. */
export const listOutput = { newer: z.string().nullable(), older: z.string().nullable() };

type Row = { createdMs: number; id: string };
export type Listed<T> = { rows: T[]; newer: string | null; older: string | null };

/** Reads one row more than is shown, to know whether there are more. */
export async function listed<T extends Row>(
  { cursor, limit }: Span,
  read: (span: Span) => Promise<T[]>,
): Promise<Listed<T>> {
  const found = await read({ cursor, limit: limit === undefined ? undefined : limit + 1 });
  const more = limit !== undefined && found.length > limit;
  const back = cursor?.to === "newer";
  const rows = !more ? found : back ? found.slice(1) : found.slice(0, limit);
  const [first, last] = [rows[0], rows.at(-1)];
  return {
    rows,
    newer: first && (back ? more : cursor !== undefined) ? writeCursor("newer", first) : null,
    older: last && (back || more) ? writeCursor("older", last) : null,
  };
}
