// Check of the jobs against the books: what is held and charged belongs to them, and budgets count what they cost.
import type { Execute } from "../db/executor.ts";
import { checkRows, type LedgerLook } from "../ledger/check.ts";

/** A chat's record is written a moment after it holds; while the storage is full, later. */
const GRACE_MS = 60_000;

export const jobLooks = (): LedgerLook[] => [checkHolds, checkCharges, checkBudgets];

const checkHolds = (execute: Execute, nowMs: number) =>
  checkRows(execute, "each hold is of a job under way", {
    count: "select count(*) from holds where job_id not like 'payout/%'",
    wrong: `select h.job_id, h.account, h.amount, h.owner, j.state from holds h left join jobs j on j.id = h.job_id
      where (j.id is null and h.created_ms < ? and h.job_id not like 'payout/%') or j.state not in ('queued', 'dispatched', 'running')`,
    params: [nowMs - GRACE_MS],
    tell: ([job, account, amount, owner, state]) => ({
      row: `hold of job ${job}`,
      message: `${amount} µ$ of ${account} are held, and the job ${
        state === null ? "is not there" : `is ${state}`
      }: ${owner === null ? "they stay held for good" : "the next start of its instance lets them go"}`,
    }),
  });

const checkCharges = (execute: Execute) =>
  checkRows(execute, "each job was charged what its receipts say", {
    count: "select count(*) from jobs where charged_micro_usd is not null",
    // By the index of attempts, `<job>.<number>`: a join would look at all receipts for each job.
    wrong: `select id, charged, total from (
        select j.id, j.charged_micro_usd as charged, (
          select sum(r.gross) from receipts r where r.attempt > j.id || '.' and r.attempt < j.id || '/'
        ) as total from jobs j
      ) where coalesce(charged, 0) <> coalesce(total, 0)`,
    tell: ([job, charged, total]) => ({
      row: `job ${job}`,
      message: `it says that ${charged ?? 0} µ$ were charged, its receipts ${total ?? 0}`,
    }),
  });

/**
 * A budget counts from the day on that its limit was set, so it may have less than its keys' jobs cost; never less than
 * what is held against it, nor more than that and all that those jobs cost. `key/<lineage>` or `key/<lineage>/<day>`,
 * the day of the hold, which may be the one after the job's.
 */
const checkBudgets = (execute: Execute) =>
  checkRows(execute, "each budget counts what is held and what was spent", {
    count: "select count(*) from budgets",
    wrong: `with held as (
        select b.value as id, sum(h.amount) as total from holds h, json_each(h.budgets) b group by b.value
      ), paid as (
        select coalesce(nullif(k.lineage, ''), j.key_id) as lineage, j.charged_micro_usd as amount,
          date(j.created_ms / 1000, 'unixepoch') as day, date((j.created_ms + ${GRACE_MS}) / 1000, 'unixepoch') as day_held
        from jobs j left join api_keys k on k.id = j.key_id where j.charged_micro_usd > 0 and j.key_id is not null
      ), spent as (
        select id, sum(amount) as total from (
          select 'key/' || lineage as id, amount from paid
          union all select 'key/' || lineage || '/' || day, amount from paid
          union all select 'key/' || lineage || '/' || day_held, amount from paid where day_held <> day
        ) group by id
      ), counted as (
        select b.id, b.used, coalesce(h.total, 0) as held, coalesce(s.total, 0) as spent
        from budgets b left join held h on h.id = b.id left join spent s on s.id = b.id
      )
      select id, used, held, spent from counted where used < held or used > held + spent
      union all select id, null, total, 0 from held where id not in (select id from budgets)`,
    tell: ([id, used, held, spent]) => ({
      row: `budget ${id}`,
      message:
        used === null
          ? `${held} µ$ are held against it, and it is not there`
          : `${used} µ$ are counted; ${held} are held and ${spent} were spent`,
    }),
  });
