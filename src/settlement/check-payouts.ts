// Check of the payouts: each pays the receipts that it names, once, and the books moved as much.
import type { Execute } from "../db/executor.ts";
import { checkRows, type LedgerLook } from "../ledger/check.ts";
import { OUTSIDE } from "./outside.ts";

export const payoutLooks = (): LedgerLook[] => [checkSums, checkReceiptsOf, checkHeldFor, checkPaid, checkOutside];

const checkSums = (execute: Execute) =>
  checkRows(execute, "each payout pays what its receipts say", {
    count: "select count(*) from payouts",
    wrong: `select p.id, p.node_amount, p.fee, p.receipts, coalesce(r.amount, 0), coalesce(r.fee, 0), coalesce(r.n, 0), coalesce(l.amount, 0)
      from payouts p
      left join (select payout_id, sum(node_amount) as amount, sum(fee) as fee, count(*) as n, min(node) as node, max(node) as other
        from receipts where payout_id is not null group by payout_id) r on r.payout_id = p.id
      left join (select payout_id, sum(node_amount) as amount from payout_legs group by payout_id) l on l.payout_id = p.id
      where p.node_amount <> coalesce(r.amount, 0) or p.fee <> coalesce(r.fee, 0) or p.receipts <> coalesce(r.n, 0)
        or p.node_amount <> coalesce(l.amount, 0) or (r.n > 0 and (r.node <> p.node or r.other <> p.node))`,
    tell: ([id, amount, fee, receipts, owed, fees, n, legs]) => ({
      row: `payout ${id}`,
      message: `it pays ${amount} µ$ and a fee of ${fee} for ${receipts} receipts, by legs of ${legs}; its ${n} receipts say ${owed} and ${fees}, or are another node's`,
    }),
  });

const checkReceiptsOf = (execute: Execute) =>
  checkRows(execute, "each receipt that has a payout has one that is there", {
    count: "select count(*) from receipts where payout_id is not null",
    wrong: `select r.node, r.seq, r.payout_id from receipts r left join payouts p on p.id = r.payout_id
      where r.payout_id is not null and p.id is null and substr(r.payout_id, 1, ${OUTSIDE.length}) <> '${OUTSIDE}'`,
    tell: ([node, seq, payout]) => ({
      row: `receipt ${seq} of node ${node}`,
      message: `its payout ${payout} is not there: nobody will ever pay it`,
    }),
  });

const checkHeldFor = (execute: Execute) =>
  checkRows(execute, "what open payouts pay is held of their nodes", {
    count: "select count(*) from payouts where state in ('planned', 'due', 'stuck')",
    wrong: `with open as (select id, node, node_amount from payouts where state in ('planned', 'due', 'stuck'))
      select 'payout/' || o.id, o.node_amount, h.amount from open o left join holds h on h.job_id = 'payout/' || o.id
        where h.amount is not o.node_amount or h.account <> 'node/' || o.node
      union all select h.job_id, null, h.amount from holds h
        where h.job_id like 'payout/%' and substr(h.job_id, 8) not in (select id from open)`,
    tell: ([payout, due, held]) => ({
      row: String(payout),
      message:
        due === null
          ? `${held} µ$ are held for it, and it is not open`
          : `it is to pay ${due} µ$, and ${held ?? "nothing"} is held for it of that node`,
    }),
  });

const checkPaid = (execute: Execute) =>
  checkRows(execute, "each paid payout moved its money once, and no other did", {
    count: "select count(*) from payouts where state = 'paid'",
    wrong: `select p.id, p.state, p.node_amount, e.amount, a.n from payouts p
      left join ledger_transactions t on t.cause = 'payout/' || p.id
      left join ledger_entries e on e.account = 'node/' || p.node and e.transaction_id = t.id
      left join (select payout_id, count(*) as n from payout_attempts where state = 'paid' group by payout_id) a on a.payout_id = p.id
      where (p.state = 'paid' and coalesce(e.amount, 0) <> -p.node_amount)
        or (p.state in ('planned', 'due', 'stuck') and (t.id is not null or a.n > 0))`,
    tell: ([id, state, amount, moved]) => ({
      row: `payout ${id} (${state})`,
      message: `it is of ${amount} µ$; the books took ${-Number(moved ?? 0)} from the node for it`,
    }),
  });

const checkOutside = (execute: Execute) =>
  checkRows(execute, "what was settled outside left the books", {
    count: `select count(*) from ledger_transactions where substr(cause, 1, ${OUTSIDE.length}) = '${OUTSIDE}'`,
    wrong: `with settled as (
        select payout_id as id, node, sum(node_amount) as owed from receipts
        where substr(payout_id, 1, ${OUTSIDE.length}) = '${OUTSIDE}' group by payout_id, node
      ), moved as (
        select t.cause as id, e.account, -e.amount as amount from ledger_transactions t
        join ledger_entries e on e.transaction_id = t.id and e.account like 'node/%'
        where substr(t.cause, 1, ${OUTSIDE.length}) = '${OUTSIDE}'
      )
      select coalesce(s.id, m.id), coalesce(s.owed, 0), coalesce(m.amount, 0) from settled s
      full join moved m on m.id = s.id and m.account = 'node/' || s.node
      where coalesce(s.owed, 0) <> coalesce(m.amount, 0)`,
    tell: ([id, owed, moved]) => ({
      row: String(id),
      message: `its receipts say ${owed} µ$, the books moved ${moved}`,
    }),
  });
