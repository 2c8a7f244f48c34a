// Person: somebody at a browser without a window: keeps cookies as one does, and sends what its pages send.
export type PersonAnswer = {
  status: number;
  code: string | null;
  body: Record<string, unknown>;
  location: string | null;
};

export class Person {
  readonly jar = new Map<string, string>();
  csrf = "";
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  get cookie(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async ask(
    method: "GET" | "POST",
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<PersonAnswer> {
    const response = await fetch(this.url + path, {
      method,
      redirect: "manual",
      headers: {
        cookie: this.cookie,
        ...(this.csrf === "" ? {} : { "x-csrf-token": this.csrf }),
        "content-type": "application/json",
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    for (const cookie of response.headers.getSetCookie()) this.keep(cookie);
    const text = await response.text();
    const parsed = (text.startsWith("{") ? JSON.parse(text) : {}) as Record<string, unknown> & {
      error?: { code: string };
    };
    if (typeof parsed.csrf_token === "string") this.csrf = parsed.csrf_token;
    return {
      status: response.status,
      code: parsed.error?.code ?? null,
      body: parsed,
      location: response.headers.get("location"),
    };
  }

  get = (path: string): Promise<PersonAnswer> => this.ask("GET", path);
  post = (path: string, body: object = {}): Promise<PersonAnswer> => this.ask("POST", path, body);
  signIn = (email: string, password: string): Promise<PersonAnswer> =>
    this.post("/api/v1/auth/sign-in", { email, password });

  private keep(cookie: string): void {
    const [pair = "", ...attributes] = cookie.split("; ");
    const at = pair.indexOf("=");
    if (attributes.includes("Max-Age=0")) this.jar.delete(pair.slice(0, at));
    else this.jar.set(pair.slice(0, at), pair.slice(at + 1));
  }
}
