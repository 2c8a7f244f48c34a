import { expect, test } from "bun:test";
import { migrateDatabase } from "../db/migrate.ts";
import { openDatabase } from "../db/open.ts";
import { testDatabase } from "../db/test-database.ts";
import { sqldPath, testServer } from "../db/test-server.ts";
import { manualClock } from "../lib/clock.ts";
import { type AuditEntry, audit, auditHead } from "./audit.ts";
import { verifyAudit } from "./audit-check.ts";
import { type AuditFilter, listAudit } from "./audit-list.ts";

const KEY = { atMs: 5, actor: "local", action: "key.created", subject: "key_1" } as const;
const grant = (subject: string): AuditEntry => ({ ...KEY, action: "credits.granted", subject });

async function logOf(entries: readonly AuditEntry[]) {
  const { db, path, ...rest } = await testDatabase();
  for (const entry of entries) await db.writer.transact((tx) => audit(tx, entry));
  return { db, path, ...rest };
}
/** What a person with the file could do: the triggers are in the way of this program only. */
async function tamper(db: Awaited<ReturnType<typeof logOf>>["db"], ...statements: string[]): Promise<void> {
  await db.writer.exclusive((connection) =>
    connection.script(
      ["in_order", "not_changed", "not_deleted"]
        .map((name) => `DROP TRIGGER audit_log_${name};`)
        .concat(statements.map((sql) => `${sql};`))
        .join("\n"),
    ),
  );
}
const five = ["a", "b", "c", "d", "e"].map(grant);

test("an entry says who did what to what, from where, and how it was and is", async () => {
  await using log = await logOf([
    { ...KEY, actor: "user/u1", before: null, after: { name: "laptop", pools: ["lab"] }, from: "192.0.2.7" },
  ]);
  const [row] = await listAudit(log, 10);
  expect(row).toMatchObject({ seq: 1, atMs: 5, actor: "user/u1", action: "key.created", subject: "key_1" });
  expect(row).toMatchObject({ before: "null", after: '{"name":"laptop","pools":["lab"]}', from: "192.0.2.7" });
});

test("the act and its entry are kept together or not at all", async () => {
  await using log = await logOf([]);
  const failed = await log.db.writer
    .transact(async (tx) => {
      await audit(tx, KEY);
      throw new Error("the act failed");
    })
    .catch((error: unknown) => error);
  expect(failed).toEqual(new Error("the act failed"));
  expect(await auditHead(log.db)).toEqual({ seq: 0, hash: "0".repeat(64) });
});

test("entries of many callers at once form one chain", async () => {
  await using log = await logOf([]);
  await Promise.all(Array.from({ length: 50 }, (_, n) => log.db.writer.transact((tx) => audit(tx, grant(`a${n}`)))));
  const checked = await verifyAudit(log.db);
  expect(checked).toMatchObject({ entries: 50, broken: null, head: { seq: 50 } });
});

test.skipIf(sqldPath === null)("two coordinators on one server form one chain", async () => {
  await using server = await testServer(sqldPath ?? "");
  const dbs = await Promise.all([openDatabase({ url: server.url }), openDatabase({ url: server.url })]);
  const [one, two] = dbs;
  await migrateDatabase({ db: one, clock: manualClock() });
  const writes = Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).writer.transact((tx) => audit(tx, KEY)));
  await Promise.all(writes);
  expect(await verifyAudit(two)).toMatchObject({ entries: 20, broken: null, head: { seq: 20 } });
  for (const db of dbs) await db.close();
});

test.each([
  ["changed", "UPDATE audit_log SET subject = 'x' WHERE seq = 2"],
  ["deleted", "DELETE FROM audit_log WHERE seq = 5"],
  ["replaced", "REPLACE INTO audit_log SELECT * FROM audit_log WHERE seq = 5"],
  [
    "put in out of order",
    "INSERT INTO audit_log SELECT 9, at_ms, actor, action, subject, before, after, from_address, previous_hash, hash FROM audit_log WHERE seq = 5",
  ],
  [
    "put in beside the chain",
    "INSERT INTO audit_log SELECT 6, at_ms, actor, action, subject, before, after, from_address, previous_hash, hash FROM audit_log WHERE seq = 5",
  ],
])("the database refuses that a row is %s", async (_, sql) => {
  await using log = await logOf(five);
  const refused = await log.db.writer.batch(sql, [[]]).catch((error: unknown) => error);
  expect(String(refused)).toContain("audit_log:");
  expect(await verifyAudit(log.db)).toMatchObject({ entries: 5, broken: null });
});

test.each([
  ["changed", 3, "UPDATE audit_log SET subject = 'x' WHERE seq = 3"],
  ["changed", 2, "UPDATE audit_log SET at_ms = at_ms + 1 WHERE seq = 2"],
  ["changed", 5, "UPDATE audit_log SET from_address = 'x' WHERE seq = 5"],
  ["changed", 4, "UPDATE audit_log SET before = '0' WHERE seq = 4"],
  ["changed", 1, "UPDATE audit_log SET at_ms = -1 WHERE seq = 1"],
  ["changed", 4, "UPDATE audit_log SET hash = 'zz' WHERE seq = 4"],
  ["unchained", 4, `UPDATE audit_log SET previous_hash = '${"0".repeat(64)}' WHERE seq = 4`],
  ["missing", 3, "DELETE FROM audit_log WHERE seq = 3"],
  ["missing", 1, "DELETE FROM audit_log WHERE seq = 1"],
])("verify names the first row that was %s: %d", async (what, seq, sql) => {
  await using log = await logOf(five);
  await tamper(log.db, sql);
  expect((await verifyAudit(log.db)).broken).toMatchObject({ what, seq });
});

test("rows cut from the end show against a head that was kept", async () => {
  await using log = await logOf(five);
  const kept = await auditHead(log.db);
  await log.db.writer.transact((tx) => audit(tx, KEY));
  expect((await verifyAudit(log.db, kept)).broken).toBeNull();
  await tamper(log.db, "DELETE FROM audit_log WHERE seq > 3");
  expect((await verifyAudit(log.db)).broken).toBeNull();
  expect((await verifyAudit(log.db, kept)).broken).toMatchObject({ what: "cut", seq: 4 });
});

test("a log made anew shows against a head that was kept", async () => {
  await using log = await logOf(five);
  await using other = await logOf([...five.slice(0, 4), grant("f"), grant("g")]);
  const kept = await auditHead(log.db);
  expect((await verifyAudit(other.db)).broken).toBeNull();
  expect((await verifyAudit(other.db, kept)).broken).toMatchObject({ what: "replaced", seq: 5 });
});

test("secrets and join tokens that came along are hidden, and texts of strangers are bounded and harmless", async () => {
  const apiKey = `inf_${"a".repeat(43)}`;
  const after = { name: `mine ${apiKey}`, password: "hunter2", deep: [{ client_secret: "s3" }], long: "ok" };
  await using log = await logOf([
    { ...KEY, subject: `\u001b[31m${"é".repeat(500)}\ud800`, after },
    { ...KEY, subject: "infjoin_abcdef", after: "x".repeat(10_000) },
  ]);
  const [second, first] = await listAudit(log, 10);
  expect(first?.after).toBe(
    '{"name":"mine inf_…","password":"[hidden]","deep":[{"client_secret":"[hidden]"}],"long":"ok"}',
  );
  expect(first?.subject).toHaveLength(256);
  expect(first?.subject).not.toContain("\u001b");
  expect(second).toMatchObject({ subject: "infjoin_…", after: '{"too_long":true,"characters":10002}' });
  expect((await verifyAudit(log.db)).broken).toBeNull();
});

test("entries are found by kind, actor, subject and time", async () => {
  await using log = await logOf([KEY, { ...KEY, action: "key.revoked", atMs: 9 }, { ...grant("b"), actor: "user/u" }]);
  const seqs = async (filter: Parameters<typeof listAudit>[2]) =>
    (await listAudit(log, 10, filter)).map((row) => row.seq);
  expect(await seqs({})).toEqual([3, 2, 1]);
  expect(await seqs({ action: "key" })).toEqual([2, 1]);
  expect(await seqs({ action: "key.revoked" })).toEqual([2]);
  expect(await seqs({ actor: "user/u" })).toEqual([3]);
  expect(await seqs({ subject: "key_1", before: 2 })).toEqual([1]);
  expect(await seqs({ sinceMs: 6 })).toEqual([2]);
});

test("pages go both ways, whatever is asked for, and times are found by halves", async () => {
  const actions = ["key.created", "node.approved", "key.revoked"] as const;
  const entries = [...Array(40).keys()].map(
    (i): AuditEntry => ({
      ...KEY,
      atMs: 1_000 + i * 10,
      action: actions[i % 3] ?? "key.created",
      actor: i % 2 === 0 ? "local" : "user/u1",
      subject: `s${i % 5}`,
    }),
  );
  await using log = await logOf(entries);
  const filters: AuditFilter[] = [
    {},
    { action: "key" },
    { action: "node.approved" },
    { actor: "user/u1" },
    { subject: "s3", actor: "local" },
    { actor: "user/u1", action: "key" },
    { sinceMs: 1_055, untilMs: 1_301 },
  ];
  for (const filter of filters) {
    const { sinceMs = 0, untilMs = Infinity, action = "", actor, subject } = filter;
    const all = entries
      .map((entry, i) => ({ ...entry, seq: i + 1 }))
      .filter((one) => one.atMs >= sinceMs && one.atMs < untilMs && one.action.startsWith(action))
      .filter(
        (one) => (actor === undefined || one.actor === actor) && (subject === undefined || one.subject === subject),
      )
      .map(({ seq }) => seq)
      .reverse();
    const down: number[] = [];
    for (let before: number | undefined; ; before = down.at(-1)) {
      const page = await listAudit(log, 4, { ...filter, before });
      down.push(...page.map(({ seq }) => seq));
      if (page.length < 4) break;
    }
    expect([filter, down]).toEqual([filter, all]);
    const up: number[] = [];
    for (let after = 0; ; after = up[0] ?? 0) {
      const page = await listAudit(log, 4, { ...filter, after });
      up.unshift(...page.map(({ seq }) => seq));
      if (page.length < 4) break;
    }
    expect([filter, up]).toEqual([filter, all]);
  }
});

test("no list looks at the whole log", async () => {
  await using log = await logOf([KEY]);
  const plans: string[] = [];
  const read = new Proxy(log.db.read, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver) as unknown;
      if (name !== "select") return value;
      return (...args: unknown[]) => noted((value as (...all: unknown[]) => object).apply(target, args));
    },
  });
  /** Notes the plan of what is about to be read. */
  function noted(query: object): object {
    return new Proxy(query, {
      get(target, name, receiver) {
        if (name === "then" || name === "get") {
          const { sql: text, params } = (target as { toSQL(): { sql: string; params: never[] } }).toSQL();
          plans.push(`${text} ${JSON.stringify(params)}`);
        }
        const value = Reflect.get(target, name, receiver) as unknown;
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const made = (value as (...all: unknown[]) => unknown).apply(target, args);
          return typeof made === "object" && made !== null && "toSQL" in made ? noted(made) : made;
        };
      },
    });
  }
  const all: AuditFilter[] = [
    { action: "key" },
    { actor: "local" },
    { subject: "key_1", actor: "local", action: "key" },
  ];
  for (const filter of all) await listAudit({ db: { ...log.db, read } }, 10, filter);
  expect(plans.length).toBeGreaterThan(4);
  for (const plan of plans) {
    const [text = "", params = "[]"] = plan.split(/ (?=\[[^\]]*\]$)/);
    const steps = await log.db.query(`explain query plan ${text}`, JSON.parse(params) as never[]);
    const words = steps.map((step) => String(step[3])).join("; ");
    expect([text, words]).toEqual([text, expect.stringMatching(/USING INDEX audit_log_(subject|actor|action)/)]);
    expect(words).not.toContain("TEMP B-TREE");
  }
});
