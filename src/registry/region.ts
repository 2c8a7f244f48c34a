// Region: where a node says it stands, and whether that can be true.
//
// A round trip proves that something is near, never that it is far: light in fibre makes about 100 km in a millisecond
// and back, so who answers in 5 ms is within 500 km, and whoever wants to seem further off just waits. So a claim is
// checked where it can be: against the coordinator's own region, on a scale of continents. It keeps mistakes and lazy
// lies out of a region; it is no proof for lawyers. Those who need one run a private pool of machines they know.

/** Nobody on the coordinator's own continent needs longer. */
const SAME_AREA_MAX_MS = 100;
/** Nobody on another continent is as near. */
const OTHER_AREA_MIN_MS = 5;

/** "eu-west-1" is in the area "eu". */
const areaOf = (region: string): string => region.split("-", 1)[0] ?? "";

/** The region as it is compared: lower case; "" for none. */
export const regionName = (region: string | undefined): string => region?.trim().toLowerCase() ?? "";

/**
 * `own`: the coordinator's region, "" where it is not configured: then claims are taken as they are. `rttMs`: null where
 * it was not measured, which proves nothing.
 */
export function isPlausible(own: string, claimed: string, rttMs: number | null): boolean {
  if (claimed === "") return false;
  if (own === "") return true;
  if (rttMs === null) return false;
  return areaOf(claimed) === areaOf(own) ? rttMs <= SAME_AREA_MAX_MS : rttMs >= OTHER_AREA_MIN_MS;
}
