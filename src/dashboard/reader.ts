// Reader: who reads a stream of updates: somebody who is signed in, as long as they are who they were when it began; or a
// stranger, as long as strangers may look.
import { findSession, type SignedIn } from "../accounts/sessions.ts";
import { isNear, networkOf } from "../accounts/sign-in.ts";
import type { HumanCall } from "../http/routes.ts";
import type { DashboardDeps } from "./deps.ts";
import type { Reader } from "./live.ts";

/** Streams of one user: many tabs. */
const MOST_OF_USER = 100;
/** Of one network of strangers; of a private address, which may be a proxy's, with many behind it, ten times that. */
const MOST_OF_NETWORK = 50;

export function readerOf(
  { people, isPublic }: Pick<DashboardDeps, "people" | "isPublic">,
  { human, token, address }: Pick<HumanCall, "human" | "token" | "address">,
): Reader {
  if (human === null || token === null) {
    const most = isNear(address) ? MOST_OF_NETWORK * 10 : MOST_OF_NETWORK;
    return { who: `network/${networkOf(address)}`, most, stranger: true, session: "", stays: isPublic };
  }
  const began = standingOf(human);
  return {
    ...{ who: `user/${human.user.id}`, most: MOST_OF_USER, stranger: false, session: `${human.session.id}/${began}` },
    async stays() {
      const now = await findSession(people, token);
      return now !== undefined && standingOf(now) === began;
    },
  };
}

/** What somebody's rights hang on. */
const standingOf = ({ user, account, memberRole }: SignedIn): string =>
  [account.id, memberRole, ...user.roles.toSorted()].join("/");
