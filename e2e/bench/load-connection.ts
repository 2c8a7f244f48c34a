// Load connection: one keep-alive HTTP/1.1 connection on a raw TCP socket, reading just as much of HTTP as the replies
// need (status, content-length, chunks). It costs the client a few microseconds a request.
import { AnswerCheck, type Mode } from "./load-answer.ts";

/** How one request ended. `reason` is null for a right reply. Times are performance.now(). */
export type Outcome = {
  reason: string | null;
  detail: string;
  startedAt: number;
  firstTokenAt: number;
  endedAt: number;
  usageSeen: boolean;
};

export type ConnectionOptions = {
  hostname: string;
  port: number;
  request: Uint8Array;
  mode: Mode;
  tokens: number;
  /** Each reply parsed in full is one in eight; false parses none, to cost less. */
  parseSome: boolean;
  onOutcome: (connection: Connection, outcome: Outcome) => void;
};

const MAX_HEAD_BYTES = 65_536;
const PARSE_ONE_IN = 8;
const CONNECT_AGAIN_MS = 20;

/** `fire` sends the request; `onOutcome` is called once for it. */
export class Connection {
  reads = 0;
  bytes = 0;
  /** Requests sent again because the kept connection had been closed. */
  retries = 0;
  busy = false;
  startedAt = 0;
  readonly answer: AnswerCheck;

  readonly #options: ConnectionOptions;
  #socket: Bun.Socket | null = null;
  #fresh = true;
  #gotAny = false;
  #pending = "";
  #inHead = true;
  #chunked = false;
  #left = -1;
  #closeAfter = false;
  #sequence = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.answer = new AnswerCheck(options.mode, options.tokens);
  }

  /** Connects where it is not; false where nobody listens. */
  async open(): Promise<boolean> {
    if (this.#socket) return true;
    this.#fresh = true;
    const lost = (socket: Bun.Socket) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#onClose();
    };
    try {
      await Bun.connect({
        hostname: this.#options.hostname,
        port: this.#options.port,
        socket: {
          open: (socket) => {
            this.#socket = socket;
            socket.setNoDelay(true);
          },
          data: (socket, data) => {
            if (socket === this.#socket) this.#onData(data);
          },
          close: lost,
          error: lost,
        },
      });
      return true;
    } catch {
      return false; // the outcome "connect" says it
    }
  }

  async fire(): Promise<void> {
    this.busy = true;
    this.startedAt = performance.now();
    if (!this.#socket) {
      if (!(await this.open())) {
        await Bun.sleep(CONNECT_AGAIN_MS);
        this.fail("connect");
        return;
      }
      this.startedAt = performance.now();
    }
    this.#gotAny = false;
    this.#inHead = true;
    this.#pending = "";
    this.answer.begin(this.#options.parseSome && this.#sequence++ % PARSE_ONE_IN === 0);
    const written = this.#socket?.write(this.#options.request);
    if (written !== this.#options.request.length) this.fail("short-write");
  }

  /** Ends the request under way, if any, with a reason, and drops the connection. */
  fail(reason: string, detail = ""): void {
    if (!this.busy) return;
    this.close();
    this.#end(reason, detail);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.end();
  }

  #end(reason: string | null, detail = ""): void {
    const endedAt = performance.now();
    this.busy = false;
    this.#fresh = false;
    if (this.#closeAfter) this.close();
    this.#closeAfter = false;
    const { firstTokenAt, usageSeen } = this.answer;
    this.#options.onOutcome(this, { reason, detail, startedAt: this.startedAt, firstTokenAt, endedAt, usageSeen });
  }

  #complete(): void {
    const reason = this.answer.verdict();
    if (reason === null) this.#end(null);
    else this.fail(reason, this.answer.body);
  }

  #onClose(): void {
    if (!this.busy) return;
    if (!this.#gotAny && !this.#fresh) {
      this.retries++; // a kept connection that the server had closed
      void this.fire();
    } else if (!this.#inHead && !this.#chunked && this.#left < 0)
      this.#complete(); // the close ends the body
    else this.fail("closed-early");
  }

  #onData(data: Buffer): void {
    if (!this.busy) return;
    this.reads++;
    this.bytes += data.length;
    this.#gotAny = true;
    this.#pending += data.toString("latin1");
    if (this.#inHead && !this.#readHead()) return;
    if (this.#chunked) this.#readChunks();
    else this.#readPlain();
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#pending.length > MAX_HEAD_BYTES) this.fail("huge-head");
      return false;
    }
    const head = this.#pending.slice(0, end).toLowerCase();
    this.#pending = this.#pending.slice(end + 4);
    this.answer.status(Number(head.slice(9, 12)));
    this.#chunked = /\r\ntransfer-encoding: ?chunked/.test(head);
    this.#closeAfter = head.includes("\r\nconnection: close");
    const length = head.indexOf("\r\ncontent-length:");
    this.#left = length < 0 ? -1 : Number.parseInt(head.slice(length + 17), 10);
    this.#inHead = false;
    return true;
  }

  #readChunks(): void {
    const text = this.#pending;
    let from = 0;
    for (let line = text.indexOf("\r\n"); line >= 0; line = text.indexOf("\r\n", from)) {
      const size = Number.parseInt(text.slice(from, line), 16);
      if (!(size >= 0)) {
        this.fail("bad-chunk");
        return;
      }
      if (text.length < line + 4 + size) break;
      if (size === 0) {
        this.#pending = "";
        this.#complete();
        return;
      }
      this.answer.feed(text.slice(line + 2, line + 2 + size));
      from = line + 4 + size;
    }
    if (from > 0) this.#pending = text.slice(from);
  }

  #readPlain(): void {
    const text = this.#pending;
    this.#pending = "";
    const counted = this.#left >= 0;
    this.answer.feed(text);
    if (!counted) return;
    this.#left -= text.length;
    if (this.#left === 0) this.#complete();
    else if (this.#left < 0) this.fail("overlong");
  }
}
