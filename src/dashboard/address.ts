// Address: under which a visitor reaches this instance, for the examples that they paste.
import type { DashboardDeps } from "./deps.ts";

/** The host that they use, without a slash at its end; the scheme of the public address where that is the host. */
export function addressOf({ publicUrl }: Pick<DashboardDeps, "publicUrl">, { url }: Request): string {
  const used = new URL(url);
  const known = URL.canParse(publicUrl()) ? new URL(publicUrl()) : null;
  return known?.host === used.host ? known.origin : used.origin;
}
