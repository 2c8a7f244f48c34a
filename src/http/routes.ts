// Routes: the shape of every route, so that each belongs to exactly one tier and the server, the API description and the
// test that enumerates them all read the same list.
import type { z } from "zod";
import type { KeyScope } from "../accounts/key-rights.ts";
import type { UserRole } from "../accounts/roles.ts";
import type { SignedIn } from "../accounts/sessions.ts";
import type { MachineRoute as MachineRule, VerifiedRequest } from "../identity/verify-request.ts";
import type { Caller } from "./client-auth.ts";

/**
 * `public`: everybody. `client`: an API key, or a signature of a registered client. `machine`: X-Infernet-Auth of an
 * instance. `human`: the session cookie of somebody who is signed in, or is about to be. `local`: X-Infernet-Auth of this
 * very instance.
 */
export type Tier = "public" | "client" | "machine" | "human" | "local";

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
/** Who is signed in, with the text that proves that a page of ours asks. */
export type Human = SignedIn & { csrf: string };
export type HumanCall = Omit<Call, "body"> & {
  body: () => string;
  human: Human | null;
  /** The session's token, as the cookie has it. */
  token: string | null;
  userAgent: string;
};
export type SignedInCall = HumanCall & { human: Human };
/** Of somebody at a node's own dashboard, who opened it on the node's machine. */
export type OwnerCall = Omit<Call, "body"> & {
  body: () => string;
  token: string | null;
  /** What its pages prove themselves with. */
  csrf: string;
};
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
export type HumanRoute = RouteBase & {
  tier: "human";
  /** Largest body, where it is not the usual one of these routes. */
  maxBodyBytes?: number;
} & (
    | {
        /** Takes whoever comes from a page of ours; session or not. */
        access: "visitor";
        handle: (call: HumanCall) => Answer;
      }
    | {
        /** Shows itself to everybody, and more to who is signed in. Changes nothing. */
        access: "anyone";
        method: "GET";
        handle: (call: HumanCall) => Answer;
      }
    | {
        access: "user";
        /** Present where only users with this role are taken. */
        role?: UserRole;
        handle: (call: SignedInCall) => Answer;
      }
  );
/** Of a node's own dashboard. */
export type OwnerRoute = RouteBase & {
  tier: "human";
  /** As of the others. */
  maxBodyBytes?: number;
} & (
    | {
        /** Takes the secret of a link that the node's machine gave. */
        access: "opening";
        handle: (call: Omit<OwnerCall, "csrf">) => Answer;
      }
    | {
        /** Takes who opened it by such a link. */
        access: "owner";
        handle: (call: OwnerCall) => Answer;
      }
  );
export type LocalRoute = RouteBase & { tier: "local"; handle: (call: Call) => Answer };
export type HttpRoute = PublicRoute | ClientRoute | MachineRoute | HumanRoute | OwnerRoute | LocalRoute;
