// Node earnings: what a node's coordinators say it earned, asked with its own key.
import { z } from "zod";
import type { Config } from "../config.ts";
import type { Identity } from "../identity/keys.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import type { Clock } from "../lib/clock.ts";
import { type EarningsJson, earningsSchema } from "../protocol/payouts.ts";
import { coordinatorsOf } from "./coordinators.ts";
import { randomBytes } from "./open-instance.ts";

/** `earnings` null: it does not answer, or refuses. */
export type CoordinatorEarnings = { coordinator: string; earnings: EarningsJson | null };

const ANSWER_MS = 5_000;
const answerSchema = z.object({ data: earningsSchema });

/** Asks all coordinators that it dials for the last `days` days; of the replicas of one, the first that answers. Never throws. */
export function askEarnings(
  config: Pick<Config, "node">,
  identity: Identity,
  clock: Clock,
): (days: number) => Promise<CoordinatorEarnings[]> {
  const known = Map.groupBy(coordinatorsOf(config), ({ pubkey }) => pubkey);
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  return (days) =>
    Promise.all(
      [...known].map(async ([aud, addresses]) => {
        const send = signedFetch({ identity, aud, clock, random: randomBytes, fetch, sleep });
        for (const { url } of addresses) {
          const earnings = await askOne(send, url, days);
          if (earnings !== null) return { coordinator: url, earnings };
        }
        return { coordinator: addresses[0]?.url ?? aud, earnings: null };
      }),
    );
}

async function askOne(send: ReturnType<typeof signedFetch>, url: string, days: number): Promise<EarningsJson | null> {
  try {
    const response = await send(`${url.replace(/\/+$/, "")}/api/v1/node/earnings`, {
      method: "POST",
      body: JSON.stringify({ days }),
      headers: { "content-type": "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return answerSchema.parse(await response.json()).data;
  } catch {
    // It is away, or older: the page says that it does not tell.
    return null;
  }
}
