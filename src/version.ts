// Version: what this program calls itself. The build puts the git commit in, in development there is none; a rehearsal
// of a release puts in another number too.
import { version as packageVersion } from "../package.json";

declare const INFERNET_COMMIT: string | undefined;
declare const INFERNET_VERSION: string | undefined;

/** Version from package.json, e.g. "0.1.0". */
export const version: string =
  typeof INFERNET_VERSION === "string" && INFERNET_VERSION !== "" ? INFERNET_VERSION : packageVersion;

/** Short git hash of the source the executable was built from; null in development. */
export const commit: string | null =
  typeof INFERNET_COMMIT === "string" && INFERNET_COMMIT !== "" ? INFERNET_COMMIT : null;

/** e.g. "0.1.0+5217dc9"; semver build metadata, at most 64 characters. */
export const versionText: string = commit === null ? version : `${version}+${commit}`;
