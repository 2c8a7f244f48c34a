// Holding: what a job may cost at most, and its way in where it has to be held first.
import type { HoldRow } from "../ledger/schema.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { grossOf } from "../protocol/receipts.ts";
import type { Board } from "./board.ts";
import { offersFor } from "./dispatch.ts";
import type { Held, Job } from "./job.ts";
import { undoLater } from "./lost-answers.ts";
import { outputBound, promptBound } from "./metering.ts";
import type { NotCreated } from "./records.ts";
import { chooseModel, mayServe, type SubmitError } from "./refusals.ts";
import type { JobRow } from "./schema.ts";
import { refusedHold, type Till } from "./till.ts";

/**
 * Prompt and answer at their longest, at the dearest price of those who may serve it now, by any of its models. While
 * nobody is there, at the dearest that is allowed.
 */
export function heldFor(board: Board, till: Till, job: Job): Held {
  const price = dearest(board, job) ?? till.highestPrice;
  return { amount: grossBound(job, price), price, atMs: board.clock.nowMs() };
}

/** The same in µ$, of those who may serve it now; null while nobody is there. */
export function boundOf(board: Board, job: Job): bigint | null {
  const price = dearest(board, job);
  return price ? grossBound(job, price) : null;
}

function grossBound(job: Job, price: Held["price"]): bigint {
  // Some backends read the prompt again for each choice; the inputs of an embedding are its prompt, all of them.
  const prompts = job.task === "embedding" ? 1 : job.choices;
  return grossOf(promptBound(job) * prompts, outputBound(job), price.input, price.output);
}

function dearest(board: Board, job: Job): Held["price"] | undefined {
  let price: { input: number; output: number } | undefined;
  for (const model of [job.model, ...job.rest]) {
    for (const offer of offersFor(board, { ...job, model })) {
      if (!mayServe(job, offer)) continue;
      price ??= { input: 0, output: 0 };
      price.input = Math.max(price.input, offer.priceInput);
      price.output = Math.max(price.output, offer.priceOutput);
    }
  }
  return price;
}

/** What an unfinished job of an earlier process holds; nothing where it costs nothing. */
export const heldBefore = (row: JobRow, hold: HoldRow | null): Held => ({
  amount: BigInt(hold?.amount ?? 0),
  price: { input: hold?.priceInput ?? 0, output: hold?.priceOutput ?? 0 },
  atMs: row.createdMs,
});

/** Takes a chat on once what it may cost is held; `enter` starts or queues it. */
export function takeHeld(
  board: Board,
  till: Till,
  job: Job,
  enter: (board: Board, job: Job) => SubmitError | undefined,
): Promise<Result<Job, SubmitError>> {
  const taken: Promise<Result<Job, SubmitError>> = holdAndEnter(board, till, job, enter).finally(() =>
    board.holding.delete(taken),
  );
  board.holding.add(taken);
  return taken;
}

async function holdAndEnter(
  board: Board,
  till: Till,
  job: Job,
  enter: (board: Board, job: Job) => SubmitError | undefined,
): Promise<Result<Job, SubmitError>> {
  const refused = chooseModel(board, job);
  if (refused) return err(refused);
  const wanted = heldFor(board, till, job);
  try {
    let held = await till.hold(job, wanted);
    const isShort = !held.ok && held.error.code === "insufficient_credit";
    if (isShort && (await board.replenish(job.accountId))) held = await till.hold(job, wanted);
    if (!held.ok) return err(refusedHold(held.error, wanted));
  } catch (error) {
    board.log.error("what a request may cost could not be held", { err: error });
    undoLater(board, job);
    return err({ code: "storage_failed", message: "the request cannot be taken on now; try again" });
  }
  job.held = wanted;
  const turnedAway = board.draining ? chooseModel(board, job) : enter(board, job);
  if (!turnedAway) return ok(job);
  try {
    await till.release(job.id);
  } catch (error) {
    board.log.error("what a request holds that was turned away could not be let go; trying again", { err: error });
    undoLater(board, job);
  }
  return err(turnedAway);
}

/** An asynchronous job that was not stored, as its client is told. */
export function notCreated(
  refusal: NotCreated,
  job: Job,
): SubmitError | Extract<NotCreated, { code: "idempotency_key_used" }> {
  if (refusal.code === "idempotency_key_used") return refusal;
  return refusedHold(refusal, job.held ?? { amount: 0n, price: { input: 0, output: 0 }, atMs: 0 });
}
