// What a coordinator answers to its nodes, where it answers wrongly.
import { expect, test } from "bun:test";
import { z } from "zod";
import { identityOf } from "../identity/keys.ts";
import { systemClock } from "../lib/clock.ts";
import { pubkeyOf } from "../protocol/schnorr.ts";
import { askCoordinator, NodeError } from "./ask-coordinator.ts";

test("an answer without end is let go of, and is none", async () => {
  const identity = identityOf(new Uint8Array(32).fill(7));
  if (!identity.ok) throw new Error(identity.error);
  const piece = new Uint8Array(1 << 20).fill(32);
  let sent = 0;
  let letGo = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      // An end after all, so that who reads on is found out.
      if (sent === 64) return controller.close();
      sent += 1;
      controller.enqueue(piece);
    },
    cancel() {
      letGo = true;
    },
  });
  const asked = askCoordinator(
    {
      ...{ identity: identity.value, clock: systemClock, timeoutMs: null, sleep: async () => undefined },
      ...{ random: (bytes: number) => new Uint8Array(bytes), fetch: async () => new Response(endless) },
    },
    { url: "http://coordinator.test", pubkey: pubkeyOf(new Uint8Array(32).fill(5)) },
    { path: "earnings", body: {}, answer: z.unknown() },
  );
  expect(await asked.catch((error: unknown) => error)).toBeInstanceOf(NodeError);
  expect([letGo, sent < 64]).toEqual([true, true]);
});
