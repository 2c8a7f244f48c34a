// OpenID Connect: signing in with a provider. Authorization code with PKCE (RFC 7636), state and nonce; the id_token's
// signature is checked with the provider's keys (OpenID Connect Core 1.0 §3.1.3.7). The protocol itself is openid-client's.
import type { Configuration } from "openid-client";
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import { domainOf, emailSchema } from "./emails.ts";
import { asName } from "./names.ts";

export type OidcProvider = {
  /** In addresses: letters, digits and `-`. */
  name: string;
  /** What people see. */
  label: string;
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** Domains of addresses that may sign in; empty: any. */
  allowedDomains: readonly string[];
  /** Takes every address of this provider as proved, whether it says so or not. */
  trustEmail: boolean;
  /**
   * It is Google, whose accounts may be private ones with an address of any domain that was somebody's once; `hd` is said
   * of those that the domain's organisation manages.
   */
  saysHd: boolean;
};

/** What has to come back, kept by the browser (sealed) while it is away. */
export const oidcFlowSchema = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** Secret of an invitation that the person brought. */
  invitation: z.string().nullable(),
  /** The user that is signed in and wants to be linked. */
  linkUserId: z.string().nullable(),
  /** The page that the person wanted to see. */
  next: z.string().nullable(),
});
export type OidcFlow = z.output<typeof oidcFlowSchema>;
/** What is wanted of it, beside signing in. */
export type OidcWish = Pick<OidcFlow, "invitation" | "linkUserId" | "next">;

/** Who the provider says it is. */
export type OidcPerson = {
  issuer: string;
  subject: string;
  email: string;
  /** Whether the address is known to be theirs. */
  emailVerified: boolean;
  name: string;
};
export type OidcRefusal =
  /** The provider does not answer, or not as it should. */
  | { code: "provider_failed"; fault: unknown }
  /** What came back is not of this browser's sign-in, or the person declined. */
  | { code: "sign_in_failed"; fault: unknown }
  /** No address that could be used, or one of another domain than is allowed. */
  | { code: "address_not_allowed" };

export type Oidc = {
  providers: readonly { name: string; label: string; issuer: string }[];
  /** Where to send the browser, and what it is to keep. Undefined: no such provider. */
  begin(
    name: string,
    redirectUri: string,
    wish: OidcWish,
  ): Promise<Result<{ location: string; flow: OidcFlow }, OidcRefusal>> | undefined;
  /** Ends what `begin` began: `callback` is the address that the browser came back to. */
  finish(callback: URL, flow: OidcFlow): Promise<Result<OidcPerson, OidcRefusal>>;
};

const REQUEST_TIMEOUT_S = 10;
const claimsSchema = z.object({
  iss: z.string().max(2_048),
  sub: z.string().min(1).max(255),
  email: emailSchema.optional().catch(undefined),
  email_verified: z.unknown().optional(),
  name: z.string().trim().max(1_024).optional().catch(undefined),
  hd: z.string().optional().catch(undefined),
});

export function openOidc(providers: readonly OidcProvider[]): Oidc {
  const byName = new Map(providers.map((provider) => [provider.name, provider]));
  const found = new Map<string, Promise<Configuration>>();
  /** Asked for at the first sign-in, and again where that failed. */
  const configurationOf = (provider: OidcProvider): Promise<Configuration> => {
    const known = found.get(provider.name);
    if (known !== undefined) return known;
    const asked = discover(provider);
    found.set(provider.name, asked);
    asked.catch(() => found.delete(provider.name));
    return asked;
  };
  return {
    providers: providers.map(({ name, label, issuer }) => ({ name, label, issuer })),
    begin(name, redirectUri, wish) {
      const provider = byName.get(name);
      return provider && begin(provider, () => configurationOf(provider), redirectUri, wish);
    },
    async finish(callback, flow) {
      const provider = byName.get(flow.provider);
      if (provider === undefined)
        return err({ code: "sign_in_failed", fault: "the provider is not configured any more" });
      return await finish(provider, () => configurationOf(provider), callback, flow);
    },
  };
}

async function discover({ issuer, clientId, clientSecret }: OidcProvider): Promise<Configuration> {
  const client = await import("openid-client");
  const server = new URL(issuer);
  const execute = [client.enableNonRepudiationChecks];
  // The configuration takes these on this machine only.
  if (server.protocol === "http:") execute.push(client.allowInsecureRequests);
  return await client.discovery(server, clientId, clientSecret, undefined, { execute, timeout: REQUEST_TIMEOUT_S });
}

async function begin(
  provider: OidcProvider,
  configuration: () => Promise<Configuration>,
  redirectUri: string,
  wish: OidcWish,
): Promise<Result<{ location: string; flow: OidcFlow }, OidcRefusal>> {
  const client = await import("openid-client");
  const flow: OidcFlow = {
    provider: provider.name,
    state: client.randomState(),
    nonce: client.randomNonce(),
    verifier: client.randomPKCECodeVerifier(),
    ...wish,
  };
  try {
    const location = client.buildAuthorizationUrl(await configuration(), {
      redirect_uri: redirectUri,
      scope: "openid email profile",
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
    });
    return ok({ location: location.href, flow });
  } catch (fault) {
    return err({ code: "provider_failed", fault });
  }
}

async function finish(
  provider: OidcProvider,
  configuration: () => Promise<Configuration>,
  callback: URL,
  { state, nonce, verifier }: OidcFlow,
): Promise<Result<OidcPerson, OidcRefusal>> {
  const client = await import("openid-client");
  try {
    const tokens = await client.authorizationCodeGrant(await configuration(), callback, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    return personOf(provider, claimsSchema.parse(tokens.claims()));
  } catch (fault) {
    return err({ code: "sign_in_failed", fault });
  }
}

function personOf(provider: OidcProvider, claims: z.output<typeof claimsSchema>): Result<OidcPerson, OidcRefusal> {
  const { iss: issuer, sub: subject, email, email_verified: verified, name, hd } = claims;
  if (email === undefined) return err({ code: "address_not_allowed" });
  const { allowedDomains, trustEmail, saysHd } = provider;
  const domain = domainOf(email);
  if (allowedDomains.length > 0 && !allowedDomains.includes(domain)) return err({ code: "address_not_allowed" });
  const emailVerified = trustEmail || verified === true;
  // A domain is worth something only where the address is known to be theirs.
  const isDomains = trustEmail || !saysHd || hd !== undefined || domain === "gmail.com";
  if (allowedDomains.length > 0 && !(emailVerified && isDomains)) return err({ code: "address_not_allowed" });
  return ok({ issuer, subject, email, emailVerified, name: asName(name || email) });
}
