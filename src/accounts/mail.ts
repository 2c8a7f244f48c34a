// Mail: what this instance writes to people, and the SMTP server that carries it.

export type Mail = { to: string; subject: string; text: string };
export type Mailer = {
  /** Hands a mail over without waiting for it; what fails is told to `onFault` only, never to whoever asked. */
  send(mail: Mail): void;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
};

export type SmtpDeps = {
  /** `smtp://user:password@host:587`, or `smtps://…`. */
  url: string;
  /** `Name <address>` or an address. */
  from: string;
  onFault: (fault: unknown) => void;
};

/** Mails under way at once; more are dropped and told of, so that a server that hangs costs no memory. */
const MAX_UNDER_WAY = 100;
const TIMEOUT_MS = 20_000;

export function smtpMailer({ url, from, onFault }: SmtpDeps): Mailer {
  const underWay = new Set<Promise<void>>();
  const deliver = async (mail: Mail): Promise<void> => {
    try {
      // Only here, so that an instance without mail does not load it.
      const { createTransport } = await import("nodemailer");
      const transport = createTransport(url, {
        from,
        connectionTimeout: TIMEOUT_MS,
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
        // Our texts hold addresses and links only: nothing is read from files or fetched.
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      await transport.sendMail(mail);
    } catch (fault) {
      onFault(fault);
    }
  };
  return {
    send(mail) {
      if (underWay.size >= MAX_UNDER_WAY) {
        onFault(new Error(`${MAX_UNDER_WAY} mails are under way already; this one is not sent`));
        return;
      }
      const done = deliver(mail).finally(() => void underWay.delete(done));
      underWay.add(done);
    },
    async settled() {
      await Promise.all(underWay);
    },
  };
}

const signed = (base: string, lines: string[]): string => `${[...lines, "", "--", base].join("\n")}\n`;

export const passwordMail = (to: string, base: string, link: string): Mail => ({
  to,
  subject: "Set a new password",
  text: signed(base, [
    "Somebody asked for a new password for this address.",
    "",
    `Set it here, within an hour: ${link}`,
    "",
    "If that was not you, there is nothing to do: the old one stays as it is.",
  ]),
});

export const signUpMail = (to: string, base: string, link: string): Mail => ({
  to,
  subject: "Finish your sign-up",
  text: signed(base, [
    "Somebody wants to sign up with this address.",
    "",
    `Go on here, within an hour: ${link}`,
    "",
    "If that was not you, there is nothing to do.",
  ]),
});

export const knownAlreadyMail = (to: string, base: string): Mail => ({
  to,
  subject: "You have signed up already",
  text: signed(base, [
    "Somebody wanted to sign up with this address, which has an account already.",
    "",
    `Sign in at ${base}/sign-in; a new password can be had there too.`,
    "",
    "If that was not you, there is nothing to do.",
  ]),
});
