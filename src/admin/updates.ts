// Updates: the operations on what the feed of releases has.
import { err, ok, type Result } from "../lib/result.ts";
import type { Admin, AdminError } from "./operations.ts";
import type { UpdateState } from "./update-operations.ts";

export type Updates = {
  state(): UpdateState;
  /** Looks at the feed now. Refused where there is none, or where it gives nothing that is signed as it must be. */
  check(): Promise<Result<UpdateState, { message: string; hint?: string | undefined }>>;
};

const NOT_RUNNING: AdminError = {
  code: "not_available",
  message: "no instance runs here that could look",
  hint: "`infernet update --check` looks without one",
};

/** `updates`: null where no instance runs. */
export const updateAdmin = (updates: Updates | null): Pick<Admin, "readUpdate" | "checkUpdate"> => ({
  readUpdate: async () => (updates ? ok(updates.state()) : err(NOT_RUNNING)),
  async checkUpdate() {
    if (!updates) return err(NOT_RUNNING);
    const checked = await updates.check();
    if (checked.ok) return checked;
    const { message, hint } = checked.error;
    return err({ code: "not_available", message, hint });
  },
});

/** What is newer than what runs and made for this machine; null where nothing is, as far as is known. */
export const newerIn = ({ found }: UpdateState): NonNullable<UpdateState["found"]> | null =>
  found !== null && found.order === "newer" && found.fits ? found : null;
