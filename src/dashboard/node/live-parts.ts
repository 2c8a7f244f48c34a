// Live parts: what a node's own dashboard sends while a page is open.
import type { OwnerAuthDeps } from "../../http/owner/guard.ts";
import type { LiveEvent, Reader } from "../live.ts";

const MOST_STREAMS = 100;

/** Whoever opened it, as long as it is open. */
export const ownerOf = ({ door }: OwnerAuthDeps, token: string | null): Reader => ({
  ...{ who: "owner", most: MOST_STREAMS, stranger: false, session: token ?? "" },
  stays: () => door.find(token) !== null,
});

/** Each part as an event of its own, so that only those that changed travel. */
export const events = (parts: Record<string, unknown>): Promise<LiveEvent[]> =>
  Promise.all(
    Object.entries(parts).map(async ([id, part]) => ({
      data: `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${String(await part)}</hx-partial>`,
    })),
  );
