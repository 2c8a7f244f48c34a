// GPU: what is known of one, whoever made it.
import type { GPU_VENDORS } from "../../protocol/frames.ts";

export type GpuVendor = (typeof GPU_VENDORS)[number];

export type Gpu = {
  vendor: GpuVendor;
  name: string;
  /** Version of the driver; null where it does not say. */
  driver: string | null;
  /** Memory of its own; null where it does not say, or has none. */
  vramMib: number | null;
  vramUsedMib: number | null;
  /** 0 to 100; null where it does not say. */
  busyPercent: number | null;
  /** Null where it does not say. */
  temperatureC: number | null;
  /** It works in the machine's memory. */
  unified: boolean;
};
