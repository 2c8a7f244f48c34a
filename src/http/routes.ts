// Routes: the shape of every route, so that each belongs to exactly one tier and the server, the API description and the
// test that enumerates them all read the same list.
import type { z } from "zod";
import type { KeyScope } from "../accounts/key-rights.ts";
import type { MachineRoute as MachineRule, VerifiedRequest } from "../identity/verify-request.ts";
import type { Caller } from "./client-auth.ts";

/**
 * `public`: everybody. `client`: an API key, or a signature of a registered client. `machine`: X-Infernet-Auth of an
 * instance. `local`: X-Infernet-Auth of this very instance.
 */
export type Tier = "public" | "client" | "machine" | "local";

/** One request, as a handler sees it. */
export type Call = {
  request: Request;
  /** Path parameters, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** Network address of the peer. */
  address: string;
  /** The body, read once. A promise only where it was not read before. */
  body: () => string | Promise<string>;
  /**
   * Lifts the server's limit on silence for this request: it has its own. Returns how to set it again, to be called
   * before the answer's end: a connection that is kept for more requests is not to be kept for good.
   */
  mayBeSilent: () => () => void;
};
export type ClientCall = Call & { caller: Caller };
export type MachineCall = Call & {
  /** Who signed it. */
  signed: VerifiedRequest;
  /** To be called once the request has made its key known: its nonce counts from then on. */
  registered: () => Promise<void>;
};

type RouteBase = {
  method: "GET" | "POST" | "DELETE";
  /** With `:name` for parameters. */
  path: string;
  summary: string;
  /** Shape of the JSON body, for the API description. */
  body?: z.ZodType;
  /** A body to show in the reference. */
  example?: object;
  /** The main answer's content type. */
  answers?: string;
  /** Whether `stream: true` has it answer with server-sent events. */
  streams?: boolean;
};
type Answer = Response | Promise<Response>;
export type PublicRoute = RouteBase & { tier: "public"; handle: (call: Call) => Answer };
export type ClientRoute = RouteBase & {
  tier: "client";
  /** What an API key has to allow; `operator` takes no other caller. Left out: nothing in particular. */
  scope?: KeyScope;
  handle: (call: ClientCall) => Answer;
};
export type MachineRoute = RouteBase & {
  tier: "machine";
  /** Which keys it takes, and how they sign. */
  rule: Extract<MachineRule, "register" | "presence" | "polling">;
  handle: (call: MachineCall) => Answer;
};
export type LocalRoute = RouteBase & { tier: "local"; handle: (call: Call) => Answer };
export type HttpRoute = PublicRoute | ClientRoute | MachineRoute | LocalRoute;
