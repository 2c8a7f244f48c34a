import { expect, test } from "bun:test";
import { encodeJoinToken, JoinSecret } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { coordinatorsOf } from "./coordinators.ts";

const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)] as [Pubkey, Pubkey];
const A = { url: "https://a.example", pubkey: ONE };
const B = { url: "https://b.example", pubkey: ONE };

function dialled(coordinators: (typeof A)[], tokenOf: Pubkey | null): string[] {
  const secret = new JoinSecret("0".repeat(64));
  const token = tokenOf && encodeJoinToken({ url: "https://token.example", coordinator: tokenOf, secret });
  const node = { coordinators, join_token: token?.ok ? token.value : null };
  return coordinatorsOf({ node } as Parameters<typeof coordinatorsOf>[0]).map(({ url }) => url);
}

test("each address of a coordinator is dialled, and none twice", () => {
  expect(dialled([A, B, A], null)).toEqual([A.url, B.url]);
});

test("a token's address is dialled where its coordinator is not configured", () => {
  expect(dialled([A, B], TWO)).toEqual([A.url, B.url, "https://token.example"]);
  expect(dialled([A, B], ONE)).toEqual([A.url, B.url]);
});
