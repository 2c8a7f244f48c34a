import { expect, test } from "bun:test";
import { domainOf, emailSchema } from "./emails.ts";

test("one person's address has one spelling", () => {
  for (const spelling of ["Anna@Example.org", "  anna@example.org ", "ANNA@EXAMPLE.ORG", "ａｎｎａ@example.org"]) {
    expect(emailSchema.parse(spelling)).toBe("anna@example.org");
  }
  expect(domainOf("anna+x@mail.example.org")).toBe("mail.example.org");
});

test("what would be something else in a header, a query or a page is no address", () => {
  for (const text of [
    "",
    "anna",
    "@example.org",
    "anna@",
    "anna@exa mple.org",
    "anna@example.org\r\nBcc: b@example.org",
    "anna@example.org,b@example.org",
    "<anna@example.org>",
    '"a b"@example.org',
    "a@b@example.org",
    "anna@[127.0.0.1]",
    "an\u202ena@example.org",
    `${"a".repeat(65)}@example.org`,
    `a@${"b".repeat(64)}.org`,
    `a@${"b.".repeat(200)}org`,
  ]) {
    expect([text, emailSchema.safeParse(text).success]).toEqual([text, false]);
  }
});
