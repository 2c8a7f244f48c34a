// Accounts: the keys of `[accounts]`: how people come in and stay signed in.
import { z } from "zod";
import { int, key, LIVE, optionalText } from "./fields.ts";

const isThisMachine = ({ hostname }: URL): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
const ISSUER_RULE = "an issuer beginning with https:// (http:// on this machine only)";
const issuer = z
  .string()
  .max(2_048)
  .refine((text) => {
    const parsed = URL.parse(text);
    return parsed !== null && (parsed.protocol === "https:" || (parsed.protocol === "http:" && isThisMachine(parsed)));
  }, `must be ${ISSUER_RULE}`)
  .meta({ allowed: ISSUER_RULE });

/** Providers whose issuer nobody has to look up. */
const PRESETS = { google: { issuer: "https://accounts.google.com", label: "Google" } } as const;

/** One provider that people sign in with; `issuer` and `label` are filled in from the preset. */
const oidcEntrySchema = z
  .strictObject({
    /** In addresses: the redirect to register is `<public_url>/api/v1/auth/oidc/<name>/callback`. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and -"),
    preset: z.enum(["google"]).optional(),
    issuer: issuer.optional(),
    /** What people see on the button. Left out: the name. */
    label: z.string().min(1).max(64).optional(),
    client_id: z.string().min(1).max(512),
    client_secret: z.string().min(1).max(1_024).meta({ secret: true }),
    /** Only addresses of these domains. Left out: all. */
    allowed_domains: z.array(z.string().min(1).max(253).toLowerCase()).max(64).optional(),
    /** Take its addresses as proved although it does not say so. */
    trust_email: z.boolean().optional(),
  })
  .superRefine(({ preset, issuer: own }, ctx) => {
    const refuse = (message: string) => ctx.addIssue({ code: "custom", message });
    if (preset === undefined && own === undefined) refuse('needs "issuer" (or preset = "google")');
    if (preset !== undefined && own !== undefined) refuse('takes either "preset" or "issuer"');
  });

/** An entry with what its preset stands for. */
export function oidcProvider(entry: z.output<typeof oidcEntrySchema>) {
  const preset = entry.preset && PRESETS[entry.preset];
  const issuer = entry.issuer ?? preset?.issuer ?? "";
  return {
    name: entry.name,
    label: entry.label ?? preset?.label ?? entry.name,
    issuer,
    clientId: entry.client_id,
    clientSecret: entry.client_secret,
    allowedDomains: entry.allowed_domains ?? [],
    trustEmail: entry.trust_email ?? false,
    saysHd: issuer === PRESETS.google.issuer,
  };
}

const smtpUrl = z
  .string()
  .refine(
    (text) => /^smtps?:$/.test(URL.parse(text)?.protocol ?? ""),
    "must be an address beginning with smtp:// or smtps://",
  )
  .meta({ allowed: "an address beginning with smtp:// or smtps://, with user and password where it needs them" });

export const accounts = z.strictObject({
  signup: key(
    z.enum(["open", "invite", "closed"]).default("invite"),
    "Who may sign up: everybody, whoever has an invitation from an admin, or nobody.",
    LIVE,
  ),
  session_idle_hours: key(int(1, 8_760).default(168), "Hours without use after which a session ends.", LIVE),
  session_max_days: key(int(1, 3_650).default(30), "Days after which a session ends however much it is used.", LIVE),
  oidc: key(
    z
      .array(oidcEntrySchema)
      .max(16)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "has two entries of one name")
      .default([]),
    "Providers that people may sign in with (OpenID Connect). preset: google, or an issuer of your own.",
    {
      example: '[{ name = "google", preset = "google", client_id = "…", client_secret = "…" }]',
    },
  ),
  smtp_url: key(smtpUrl.nullable().default(null), "Mail server for password resets and sign-ups. Left out: no mail.", {
    secret: true,
    example: "smtp://user:password@mail.example.org:587",
  }),
  mail_from: key(optionalText(), "Sender of that mail.", { example: "infernet <infernet@example.org>" }),
});
