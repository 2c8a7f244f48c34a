// Node earnings: what a node's coordinators say it earned, asked with its own key.
import { z } from "zod";
import type { Config } from "../config.ts";
import type { Identity } from "../identity/keys.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import type { Clock } from "../lib/clock.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import { type EarningsJson, earningsSchema } from "../protocol/payouts.ts";
import { randomBytes } from "./open-instance.ts";

/** `earnings` null: it does not answer, or refuses. */
export type CoordinatorEarnings = { coordinator: string; earnings: EarningsJson | null };

const ANSWER_MS = 5_000;
const answerSchema = z.object({ data: earningsSchema });

/** Asks all coordinators that it dials for the last `days` days. Never throws. */
export function askEarnings(
  { node }: Pick<Config, "node">,
  identity: Identity,
  clock: Clock,
): (days: number) => Promise<CoordinatorEarnings[]> {
  const token = node.join_token === null ? null : decodeJoinToken(node.join_token);
  const known = new Map(node.coordinators.map(({ url, pubkey }) => [pubkey, url]));
  if (token?.ok && !known.has(token.value.coordinator)) known.set(token.value.coordinator, token.value.url);
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  return (days) =>
    Promise.all(
      [...known].map(async ([aud, coordinator]) => {
        const send = signedFetch({ identity, aud, clock, random: randomBytes, fetch, sleep });
        try {
          const response = await send(`${coordinator.replace(/\/+$/, "")}/api/v1/node/earnings`, {
            method: "POST",
            body: JSON.stringify({ days }),
            headers: { "content-type": "application/json" },
            signal: AbortSignal.timeout(ANSWER_MS),
          });
          return { coordinator, earnings: answerSchema.parse(await response.json()).data };
        } catch {
          // It is away, or older: the page says that it does not tell.
          return { coordinator, earnings: null };
        }
      }),
    );
}
