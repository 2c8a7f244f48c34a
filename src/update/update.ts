// Update: the way from a feed to another executable in the place of this one, and back.
import { existsSync, rmSync } from "node:fs";
import { ok, type Result } from "../lib/result.ts";
import { compareVersions } from "../lib/versions.ts";
import { diskRefusal, downloadDraft } from "./draft.ts";
import { type FeedDeps, parseFeedUrl, readSignedManifest } from "./feed.ts";
import { type Release, type ReleaseFile, readRelease } from "./manifest.ts";
import { clearDrafts, type Place } from "./place.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";
import { type SelfTestDeps, selfTest, type Tested } from "./self-test.ts";
import { keepAs, swapIn } from "./swap.ts";

/** The executable that asks. */
export type Current = {
  version: string;
  /** `<os>-<arch>` it was built for. */
  target: string;
};

export type Feed = {
  /** The folder of release.json. */
  url: string;
  /** Keys of which one must have signed it. */
  publicKeys: readonly string[];
};

/** What a feed offers to this executable, signature checked. */
export type Offer = {
  release: Release;
  /** How its version stands to the current one. */
  order: "newer" | "same" | "older";
  /** Null where the release has nothing for this target. */
  file: ReleaseFile | null;
  fileUrl: URL | null;
};

/** Reads the feed and believes nothing that the key did not sign. */
export async function lookForUpdate(
  deps: FeedDeps,
  feed: Feed,
  current: Current,
): Promise<Result<Offer, UpdateRefusal>> {
  const folder = parseFeedUrl(feed.url);
  if (!folder.ok) return folder;
  const signed = await readSignedManifest(deps, folder.value);
  if (!signed.ok) return signed;
  const release = readRelease(signed.value.bytes, signed.value.signature, feed.publicKeys);
  if (!release.ok) return release;
  const file = Object.hasOwn(release.value.targets, current.target) ? release.value.targets[current.target] : undefined;
  return ok({
    release: release.value,
    order: compareVersions(release.value.version, current.version),
    file: file ?? null,
    fileUrl: file ? new URL(file.file, folder.value) : null,
  });
}

/**
 * Whether the offer is to be installed: false where its version is the current one. An older one is refused unless asked
 * for, since whoever can change a feed could otherwise bring back a release with known faults.
 */
export function isWanted(
  { release, order, file }: Offer,
  current: Current,
  { allowDowngrade }: { allowDowngrade: boolean },
): Result<boolean, UpdateRefusal> {
  if (order === "same") return ok(false);
  if (order === "older" && !allowDowngrade) {
    const message = `the feed offers ${release.version}, which is older than this executable (${current.version})`;
    return refuse("older", message, "--allow-downgrade installs it all the same");
  }
  return file === null ? targetMissing(release, current.target) : ok(true);
}

export type InstallDeps = FeedDeps & SelfTestDeps & { nowMs: () => number; isRunning: (pid: number) => boolean };

/**
 * Puts the offered executable in place: download, size, SHA-256, target, self-test, swap, in this order. The caller has
 * decided that the offer's version is wanted. After a refusal the executable is the one that was there.
 */
export async function installOffer(
  deps: InstallDeps,
  place: Place,
  offer: Offer,
  target: string,
  onProgress: (bytes: number) => void,
): Promise<Result<Tested, UpdateRefusal>> {
  const { release, file, fileUrl } = offer;
  if (file === null || fileUrl === null) return targetMissing(release, target);
  const cleared = clearDrafts(place, deps);
  if (!cleared.ok) return cleared;
  const downloaded = await downloadDraft(deps, place, { url: fileUrl, file, target }, onProgress);
  if (!downloaded.ok) return downloaded;
  return putInPlace(deps, place, release.version);
}

const targetMissing = (release: Release, target: string): Result<never, UpdateRefusal> =>
  refuse(
    "target_missing",
    `release ${release.version} has no executable for ${target}`,
    `it has ${Object.keys(release.targets).join(", ") || "none at all"}`,
  );

/** Puts the executable of before in place; the one that was there becomes the one of before. */
export async function rollBack(
  deps: Omit<InstallDeps, keyof FeedDeps>,
  place: Place,
): Promise<Result<Tested, UpdateRefusal>> {
  if (!existsSync(place.previous)) {
    const hint = "one is kept at each update";
    return refuse("nothing_to_restore", `there is no ${place.previous} to go back to`, hint);
  }
  const cleared = clearDrafts(place, deps);
  if (!cleared.ok) return cleared;
  try {
    keepAs(place.previous, place.draft);
  } catch (error) {
    return diskRefusal(place.draft, error);
  }
  return putInPlace(deps, place, null);
}

/** Tries the draft and swaps it in; without a draft afterwards, whatever happens. */
async function putInPlace(
  deps: SelfTestDeps,
  place: Place,
  version: string | null,
): Promise<Result<Tested, UpdateRefusal>> {
  try {
    const tested = await selfTest(deps, place.draft);
    if (!tested.ok) return tested;
    if (version !== null && tested.value.version !== version) {
      return refuse("self_test_failed", `the new executable says it is ${tested.value.version}, not ${version}`);
    }
    swapIn(place);
    return tested;
  } catch (error) {
    return diskRefusal(place.executable, error);
  } finally {
    rmSync(place.draft, { force: true });
  }
}
