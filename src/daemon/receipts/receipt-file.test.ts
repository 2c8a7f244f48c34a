import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../lib/log.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { keptReceipts, openReceiptFile, type ReceiptEntry } from "./receipt-file.ts";

const COORDINATOR = pubkeySchema.parse("ab".repeat(32));
const OTHER = pubkeySchema.parse("cd".repeat(32));
const owner: ReceiptEntry = { t: "coordinator", pubkey: COORDINATOR, key: "11".repeat(32), sig: "22".repeat(64) };
const receipt: ReceiptEntry = {
  t: "receipt",
  receipt: "A".repeat(516),
  sig: `${"A".repeat(86)}==`,
  salt: "00".repeat(32),
  attempt: "01a1fdce-c253-748b-98d4-ee89d4ef96ea.1",
  model: "m",
};
const head = (seq: number): ReceiptEntry => ({ t: "head", seq, digest: "33".repeat(32), sig: "44".repeat(64) });

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "infernet-receipts-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const file = () => join(directory, "receipts", `${COORDINATOR}.jsonl`);
const read = async (): Promise<ReceiptEntry[]> => {
  const entries: ReceiptEntry[] = [];
  for await (const kept of keptReceipts(directory)) entries.push(...kept.entries);
  return entries;
};
const opened = () => openReceiptFile(directory, COORDINATOR, silentLog);

test("what was kept is there after a restart, and nobody else can read it", async () => {
  const before = await opened();
  expect([before.head, before.key]).toEqual([null, null]);
  await before.append([owner, receipt, head(1)]);
  const after = await opened();
  expect(after.head).toMatchObject({ seq: 1 });
  expect(after.key).toBe("11".repeat(32));
  expect(await read()).toEqual([owner, receipt, head(1)]);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, "receipts")).mode & 0o777).toBe(0o700);
});

test("a line that a crash tore is skipped, and what comes after it is kept", async () => {
  await (await opened()).append([owner, receipt, head(1)]);
  appendFileSync(file(), '{"t":"receipt","rec');
  const after = await opened();
  expect(after.head).toMatchObject({ seq: 1 });
  await after.append([receipt, head(2)]);
  expect(await read()).toEqual([owner, receipt, head(1), receipt, head(2)]);
  expect((await opened()).head).toMatchObject({ seq: 2 });
});

test("a full file is closed, and the next one begins with how far things are; the oldest go", async () => {
  const many: ReceiptEntry[] = Array.from({ length: 12_000 }, () => receipt);
  let kept = await opened();
  await kept.append([owner]);
  for (let seq = 1; seq <= 17; seq++) await kept.append([...many, head(seq)]);
  await kept.append([receipt, head(18)]);
  const names = readdirSync(join(directory, "receipts"));
  expect(names).toHaveLength(16);
  expect(names).not.toContain(`${COORDINATOR}.${"1".padStart(16, "0")}.jsonl`);
  expect(readFileSync(file(), "utf8").split("\n").slice(0, -1)).toEqual(
    [owner, head(17), receipt, head(18)].map((entry) => JSON.stringify(entry)),
  );
  kept = await opened();
  expect([kept.head?.seq, kept.key]).toEqual([18, "11".repeat(32)]);
});

test("each coordinator has its own", async () => {
  await (await opened()).append([owner, head(1)]);
  const other = await openReceiptFile(directory, OTHER, silentLog);
  expect(other.head).toBeNull();
  await other.append([head(5)]);
  expect((await opened()).head).toMatchObject({ seq: 1 });
});
