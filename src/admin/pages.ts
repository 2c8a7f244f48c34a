// Pages: statements and usage as they leave the program, and the cursors between two pages as text.
import type { UsageCursor } from "../jobs/usage.ts";
import type { StatementCursor, StatementRow } from "../ledger/statement.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { StatementRowView } from "./money-operations.ts";
import type { AdminError } from "./operations.ts";

type Codec<C> = {
  write(cursor: C | null): string | null;
  /** Nothing is the first page. */
  read(text: string | undefined): Result<C | null, AdminError>;
};

/** Whole numbers between colons. */
function codec<C>(numbers: (cursor: C) => readonly (number | bigint)[], cursorOf: (numbers: bigint[]) => C): Codec<C> {
  const count = numbers(cursorOf([0n, 0n, 0n])).length;
  const shape = new RegExp(`^-?\\d{1,16}(:-?\\d{1,16}){${count - 1}}$`);
  return {
    write: (cursor) => (cursor === null ? null : numbers(cursor).join(":")),
    read(text) {
      if (text === undefined) return ok(null);
      if (!shape.test(text)) return err({ code: "invalid", message: "cursor: it is none that an answer gave" });
      return ok(cursorOf(text.split(":").map(BigInt)));
    },
  };
}

export const statementCursor: Codec<StatementCursor> = codec(
  ({ upTo, after, balance }) => [upTo, after, balance],
  ([upTo = 0n, after = 0n, balance = 0n]) => ({ upTo: Number(upTo), after: Number(after), balance }),
);
export const usageCursor: Codec<UsageCursor> = codec(
  ({ fromMs, offset }) => [fromMs, offset],
  ([fromMs = 0n, offset = 0n]) => ({ fromMs: Number(fromMs), offset: Math.max(0, Number(offset)) }),
);

export const statementRow = ({ atMs, amount, balance, ...row }: StatementRow): StatementRowView => ({
  ...row,
  at_ms: atMs,
  amount_micro_usd: Number(amount),
  balance_micro_usd: Number(balance),
});
