import { expect, test } from "bun:test";
import fc from "fast-check";
import { type AuditRecord, auditHash } from "./audit-record.ts";
import vectors from "./audit-record.vectors.json" with { type: "json" };

test.each(vectors.cases)("a record hashes as in the vectors: $name", ({ record, hash }) => {
  expect(auditHash(record)).toBe(hash);
});

test.each(vectors.invalid)("a hash does not fit: $reason", ({ record, hash }) => {
  expect(auditHash(record)).not.toBe(hash);
});

test.each(vectors.malformed)("no record: $reason", ({ record }) => {
  expect(() => auditHash(record)).toThrow();
});

test("no two different records have one hash", () => {
  const text = fc.string({ maxLength: 4 });
  const record: fc.Arbitrary<AuditRecord> = fc.record({
    seq: fc.nat(3),
    atMs: fc.nat(3),
    actor: text,
    action: text,
    subject: text,
    before: text,
    after: text,
    from: text,
    previous: fc.constantFrom("00".repeat(32), "11".repeat(32)),
  });
  fc.assert(
    fc.property(record, record, (a, b) => {
      expect(auditHash(a) === auditHash(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});
