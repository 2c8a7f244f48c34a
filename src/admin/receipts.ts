// Receipts, as operations of a coordinator.
import { findReceipts, newestReceipts, receiptsNumbered } from "../ledger/receipts.ts";
import { err, ok } from "../lib/result.ts";
import { attemptIdSchema } from "../protocol/frames.ts";
import { pubkeySchema, uuidSchema } from "../protocol/primitives.ts";
import { sealReceipt } from "../protocol/receipt-frames.ts";
import { exportPage, type ReceiptArchive, receiptDocument } from "../settlement/receipt-export.ts";
import { operation } from "./operation.ts";
import { type Admin, OPERATIONS } from "./operations.ts";

export type ReceiptAdmin = Pick<Admin, "listReceipts" | "findReceipts" | "exportReceipts">;

export function receiptAdmin(archive: ReceiptArchive): ReceiptAdmin {
  return {
    listReceipts: operation(OPERATIONS.listReceipts, async ({ node, account, since_ms, before, limit }) => {
      const rows = await newestReceipts(archive, {
        ...filterOf({ node, account, since_ms }),
        before,
        limit: limit + 1,
      });
      const page = rows.slice(0, limit);
      const next = rows.length > limit ? (page.at(-1)?.attempt ?? null) : null;
      const receipts = page.map(({ bytes, signature, attempt, account: payer, model, payoutId, countersigned }) => {
        const { salt: _, ...sealed } = sealReceipt(bytes, signature, "");
        const paid = payoutId === null ? {} : { payout: payoutId };
        return { ...sealed, attempt, account: payer, model, countersigned, ...paid };
      });
      return ok({ receipts, next });
    }),
    findReceipts: operation(OPERATIONS.findReceipts, async ({ id, salts }) => {
      const found = await find(archive, id);
      if (found.length > 0) return ok(await receiptDocument(archive, found, { salts }));
      return err({
        code: "not_found",
        message: `there is no receipt of ${id}`,
        hint: "name a job, an attempt (JOB.1), a number, or NODE/NUMBER; `infernet receipts list` has them",
      });
    }),
    exportReceipts: operation(OPERATIONS.exportReceipts, async ({ after, limit, salts, ...filter }) =>
      ok(await exportPage(archive, { ...filterOf(filter), after, limit }, { salts })),
    ),
  };
}

type Asked = { node?: string | undefined; account?: string | undefined; since_ms?: number | undefined };

/** Accounts are named as in the ledger, or by their ids. */
const filterOf = ({ node, account, since_ms: sinceMs }: Asked) => ({
  node,
  account: account === undefined || account.includes("/") ? account : `account/${account}`,
  sinceMs,
});

async function find(archive: ReceiptArchive, id: string) {
  if (uuidSchema.safeParse(id).success) return findReceipts(archive, { job: id });
  if (attemptIdSchema.safeParse(id).success) return findReceipts(archive, { attempt: id });
  const [node = "", seq = ""] = id.includes("/") ? id.split("/") : ["", id];
  if (!/^[1-9][0-9]{0,14}$/.test(seq)) return [];
  if (node === "") return receiptsNumbered(archive, Number(seq));
  return pubkeySchema.safeParse(node).success ? findReceipts(archive, { node, seq: Number(seq) }) : [];
}
