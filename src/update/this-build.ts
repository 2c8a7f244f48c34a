// This build: what the build wrote into the executable for updates: its target, and the keys whose releases it trusts.

declare const INFERNET_TARGET: string | undefined;
declare const INFERNET_RELEASE_KEYS: string | undefined;

/** `<os>-<arch>` as releases name it, e.g. "linux-x64" or "linux-x64-musl"; null in development. */
export const target: string | null = typeof INFERNET_TARGET === "string" ? INFERNET_TARGET : null;

/** ed25519 public keys, 64 hex digits each; none where the executable was not made by `bun run release`. */
const releaseKeys: readonly string[] =
  typeof INFERNET_RELEASE_KEYS === "string" ? INFERNET_RELEASE_KEYS.split(",").filter(Boolean) : [];

/** `own`: `[update] public_key`, in the place of those that were built in. */
export const trustedKeys = (own: string | null): readonly string[] => (own === null ? releaseKeys : [own]);
