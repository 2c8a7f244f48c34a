// Price: what tokens cost, from the cheapest to the dearest offer.
import { dollars, NONE } from "./text.tsx";

/** µ$ per million tokens. Free only where it is free at everybody. */
export const price = (from: number, to = from): string =>
  to === 0 ? "free" : from === to ? dollars(from) : `${dollars(from)} to ${dollars(to)}`;
export const priceFrom = (from: number | null): string => (from === null ? NONE : from === 0 ? "free" : dollars(from));
