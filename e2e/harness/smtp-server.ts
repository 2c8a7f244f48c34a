// SMTP server: takes every mail and keeps it (RFC 5321, as far as a client needs it).
import type { Socket } from "bun";

export type SmtpServer = {
  url: string;
  /** The mails so far, as they came. */
  mails: { to: string; text: string }[];
  /** Resolves with the next mail to this address that was not waited for before. */
  next(to: string): Promise<string>;
  close(): void;
};

type State = { rest: string; to: string; lines: string[] | null };

export function startSmtpServer(): SmtpServer {
  const mails: SmtpServer["mails"] = [];
  const waiting = new Set<() => void>();
  const seen = new Set<object>();
  const heard = (socket: Socket<State>, line: string) => {
    const { data } = socket;
    const say = (text: string) => void socket.write(`${text}\r\n`);
    if (data.lines !== null) {
      if (line !== ".") return void data.lines.push(line.replace(/^\./, ""));
      mails.push({ to: data.to, text: unfolded(data.lines.join("\n")) });
      data.lines = null;
      for (const look of waiting) look();
      return say("250 kept");
    }
    const [verb = ""] = line.toUpperCase().split(/[ :]/);
    if (verb === "RCPT") data.to = /<([^>]*)>/.exec(line)?.[1] ?? "";
    if (verb === "DATA") {
      data.lines = [];
      return say("354 go on");
    }
    say(verb === "QUIT" ? "221 bye" : "250 yes");
  };
  const server = Bun.listen<State>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { rest: "", to: "", lines: null };
        socket.write("220 here\r\n");
      },
      data(socket, bytes) {
        const lines = (socket.data.rest + bytes.toString("utf8")).split("\r\n");
        socket.data.rest = lines.pop() ?? "";
        for (const line of lines) heard(socket, line);
      },
    },
  });
  const find = (to: string) => mails.find((mail) => mail.to === to && !seen.has(mail));
  return {
    url: `smtp://127.0.0.1:${server.port}`,
    mails,
    async next(to) {
      for (;;) {
        const mail = find(to);
        if (mail) {
          seen.add(mail);
          return mail.text;
        }
        await new Promise<void>((resolve) => {
          const look = () => {
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
        });
      }
    },
    close: () => server.stop(true),
  };
}

/** Lines that quoted-printable (RFC 2045 §6.7) broke, whole again. */
const unfolded = (text: string): string => text.replace(/=\n/g, "").replace(/=3D/g, "=");
