// Slots: how many jobs run here side by side, whoever sent them. A node may serve several coordinators; this is where
// it keeps to its own limit.

export type Slots = {
  readonly taken: number;
  /** False when all are taken. */
  take(): boolean;
  give(): void;
};

/** `limit` is asked at each take, since backends come and go. */
export function slots(limit: () => number): Slots {
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take() {
      if (taken >= limit()) return false;
      taken++;
      return true;
    },
    give() {
      taken--;
    },
  };
}
