import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Pubkey } from "./primitives.ts";
import { MOST_HOPS, markOf, mayTake, NO_TRAIL, onwards, readTrail, type Trail, trailHeaders } from "./trail.ts";

const key = (digit: string) => digit.repeat(64) as Pubkey;
const [A, B, C] = [key("a"), key("b"), key("c")] as const;
const read = (headers: Record<string, string>) => readTrail(new Headers(headers));

test("a request without the headers was passed on by nobody", () => {
  expect(read({})).toEqual({ ok: true, value: NO_TRAIL });
});

test("each coordinator adds one hop and its mark", () => {
  const afterA = onwards(NO_TRAIL, [A]);
  expect(afterA).toEqual({ hops: 1, via: [markOf(A)] });
  expect(onwards(afterA, [B])).toEqual({ hops: 2, via: [markOf(A), markOf(B)] });
});

test("a node of several coordinators names all of them for one hop, each once", () => {
  expect(onwards({ hops: 1, via: [markOf(A)] }, [A, B])).toEqual({ hops: 2, via: [markOf(A), markOf(B)] });
});

test("a way is closed that leads through a coordinator the request has met", () => {
  const trail = onwards(NO_TRAIL, [A]);
  expect(mayTake(trail, [markOf(B)], 3)).toBe(true);
  expect(mayTake(trail, [markOf(B), markOf(A)], 3)).toBe(false);
});

test("a way is closed that is longer than the hops that are left, and a backend of one's own never is", () => {
  const trail: Trail = { hops: 2, via: [markOf(A)] };
  expect(mayTake(trail, [markOf(B)], 3)).toBe(true);
  expect(mayTake(trail, [markOf(B), markOf(C)], 3)).toBe(false);
  expect(mayTake({ hops: 3, via: [] }, [markOf(B)], 3)).toBe(false);
  expect(mayTake({ hops: 3, via: [] }, [], 3)).toBe(true);
});

test("what the headers say is what was written into them", () => {
  const mark = fc.stringMatching(/^[0-9a-f]{16}$/);
  fc.assert(
    fc.property(fc.uniqueArray(mark, { maxLength: MOST_HOPS }), fc.nat(MOST_HOPS), (via, more) => {
      const trail = { hops: Math.max(via.length, more), via };
      expect(read(trailHeaders(trail))).toEqual({ ok: true, value: trail });
    }),
  );
});

test("a count below the marks that are named is raised to them", () => {
  const via = `${markOf(A)}, ${markOf(B)}`;
  expect(read({ "x-infernet-via": via })).toMatchObject({ value: { hops: 2 } });
  expect(read({ "x-infernet-via": via, "x-infernet-hops": "1" })).toMatchObject({ value: { hops: 2 } });
});

test.each([
  { "x-infernet-hops": "-1" },
  { "x-infernet-hops": "1.5" },
  { "x-infernet-hops": "17" },
  { "x-infernet-hops": "" },
  { "x-infernet-hops": "1e1" },
  { "x-infernet-via": "aaaa" },
  { "x-infernet-via": "A".repeat(16) },
  { "x-infernet-via": Array.from({ length: 17 }, () => "a".repeat(16)).join(",") },
])("headers that say nothing sensible are refused: %o", (headers) => {
  expect(read(headers).ok).toBe(false);
});
