import { expect, test } from "bun:test";
import fc from "fast-check";
import { ownPath, startPath } from "./start-path.ts";

test("people start where their work is", () => {
  expect(startPath(["admin", "operator", "client"])).toBe("/admin");
  expect(startPath(["operator", "client"])).toBe("/my/nodes");
  expect(startPath(["client"])).toBe("/playground");
});

test("after signing in one comes back to a page of this instance, and to no other place", () => {
  for (const path of ["/", "/jobs?state=failed", "/nodes/abc", "/a//b"]) expect(ownPath(path)).toBe(path);
  for (const text of [
    ...["", "jobs", "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example"],
    ...["/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/\t/evil.example", "/\n/evil.example"],
    ...["javascript:alert(1)", "/sign-in", "/sign-in?next=/x", "/api/v1/auth/oidc/x", `/${"x".repeat(3_000)}`],
  ]) {
    expect([text, ownPath(text)]).toEqual([text, null]);
  }
  expect(ownPath(null)).toBeNull();
});

test("whatever stands there, a browser stays here", () => {
  const origin = "https://infer.example";
  const piece = fc.constantFrom("/", "\\", ".", "..", "@", ":", "//", "evil.example", "%2f", "\t", "?", "#", "a");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join("")),
      ),
      (text) => {
        const path = ownPath(text);
        if (path !== null) expect(new URL(path, origin).origin).toBe(origin);
      },
    ),
  );
});
