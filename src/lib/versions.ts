// Versions: which of two is the newer one, by Semantic Versioning 2.0.0.

/** A version as semver.org §2, §9 and §10 write it: 1.2.3, 1.2.3-rc.1, 1.2.3+5217dc9. */
export const VERSION_PATTERN =
  /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/** Longer ones are nobody's. */
const MAX_VERSION = 64;

/** How `offered` stands to `current`. Build metadata (after `+`) is not looked at. */
export function compareVersions(offered: string, current: string): "newer" | "same" | "older" {
  const order = Bun.semver.order(offered, current);
  if (order === 0) return "same";
  return order > 0 ? "newer" : "older";
}

export const isVersion = (text: string): boolean => text.length <= MAX_VERSION && VERSION_PATTERN.test(text);
