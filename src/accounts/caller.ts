// Caller: who asks for an act, as the audit log names them. Apart from audit.ts, for there is no database here.

/** `local`: whoever may use this machine's commands. `system`: the instance, of itself. `coordinator`: at its nodes. */
export type Actor =
  | "local"
  | "system"
  | `user/${string}`
  | `key/${string}`
  | `node/${string}`
  | `coordinator/${string}`;
/** Who asks for an act, and the network address that it comes from; empty where there is none. */
export type Caller = { actor: Actor; from: string };
export const LOCAL_CALLER: Caller = { actor: "local", from: "" };
export const SYSTEM_CALLER: Caller = { actor: "system", from: "" };
