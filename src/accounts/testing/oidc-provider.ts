// A real OpenID Connect provider on this machine (oidc-provider), and a browser's way through it. Whoever signs in has
// the address `<login>@example.org`; `.elsewhere`, `.unproved` and `.nomail` in a login make it another domain's, not
// proved, or none; `.managed` is said to be of an organisation, as Google says it.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

export const REDIRECT = "http://127.0.0.1:4/api/v1/auth/oidc/test/callback";

export type TestProvider = {
  issuer: string;
  clientSecret: string;
  /** Signs in at the provider and agrees to everything; the address that it sends the browser back to. */
  signIn(location: string, login: string): Promise<URL>;
  /** From now on every id_token's signature is wrong. */
  forgeTokens(on: boolean): void;
  close(): Promise<void>;
};

function claimsOf(login: string) {
  const [name = "", trait] = login.split(".");
  const named = `${name[0]?.toUpperCase()}${name.slice(1)}`;
  if (trait === "nomail") return { sub: login, name: named };
  const domain = trait === "elsewhere" ? "elsewhere.example" : "example.org";
  return {
    sub: login,
    name: named,
    email: `${name}@${domain}`,
    email_verified: trait !== "unproved",
    ...(trait === "managed" ? { hd: domain } : {}),
  };
}

export async function startTestProvider(redirects: string[] = [REDIRECT]): Promise<TestProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clientSecret = "a secret of the test's client, long enough";
  const provider = new Provider(issuer, {
    clients: [
      { client_id: "infernet", client_secret: clientSecret, redirect_uris: redirects, response_types: ["code"] },
    ],
    cookies: { keys: ["only for tests"] },
    claims: { openid: ["sub"], email: ["email", "email_verified", "hd"], profile: ["name"] },
    conformIdTokenClaims: false,
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: async () => claimsOf(id) }),
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
  });
  const state = { forged: false };
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (state.forged && request.url?.startsWith("/token")) forge(response);
    void answer(request, response);
  });
  return {
    issuer,
    clientSecret,
    signIn: (location, login) => goThrough(issuer, location, login),
    forgeTokens(on) {
      state.forged = on;
    },
    close: () => closed(server),
  };
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.closeAllConnections();
    server.close(() => resolve());
  });

/** Changes the first sign of an id_token's signature on its way out. */
function forge(response: import("node:http").ServerResponse): void {
  const end = response.end.bind(response);
  response.end = ((chunk: unknown, ...rest: never[]) => {
    const text = Buffer.isBuffer(chunk) ? chunk.toString("utf8") : String(chunk);
    const forged = text.replace(
      /("id_token":"[^".]+\.[^".]+\.)(.)/,
      (_, head: string, sign: string) => head + (sign === "A" ? "B" : "A"),
    );
    return end(forged, ...rest);
  }) as typeof response.end;
}

/** The provider's own pages ask for a login and for consent; a browser without script fills them in. */
async function goThrough(issuer: string, location: string, login: string): Promise<URL> {
  const jar = new Map<string, string>();
  let next: { url: string; form?: Record<string, string> } = { url: location };
  for (let steps = 0; steps < 12; steps += 1) {
    if (!next.url.startsWith(issuer)) return new URL(next.url);
    const response: Response = await fetch(next.url, {
      redirect: "manual",
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(next.form ? { method: "POST", body: new URLSearchParams(next.form) } : {}),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";");
      const at = pair.indexOf("=");
      jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const to = response.headers.get("location");
    if (to !== null) {
      next = { url: new URL(to, next.url).href };
      continue;
    }
    const page = await response.text();
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
    const prompt = /name="prompt" value="([^"]+)"/.exec(page)?.[1];
    if (action === undefined || prompt === undefined) throw new Error(`no form at ${next.url}: ${page.slice(0, 500)}`);
    next = { url: new URL(action, next.url).href, form: { prompt, login, password: "any" } };
  }
  throw new Error("the provider never sends the browser back");
}
