// Transport: what a link runs over. A WebSocket, or two ends in one process; the link cannot tell.

export type Transport = {
  /** Sends one text message. Silently does nothing once closed. */
  send(text: string): void;
  /** Bytes handed to send() that have not left yet. */
  bufferedBytes(): number;
  /** RFC 6455 §7.4 code. The other side's `closed` is called, and this side's too. */
  close(code: number, reason: string): void;
};

/** What a link does with its transport's events. */
export type TransportEvents = {
  message(text: string): void;
  /** Called once. */
  closed(code: number, reason: string): void;
};

/** Opens one end; the other end is whoever answers. */
export type Dial = (events: TransportEvents) => Transport;

/** Policy violation (RFC 6455 §7.4.1): a frame that does not fit, a signature that does not verify. */
export const CLOSE_PROTOCOL = 1008;
export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
/** Never sent: what a dial reports where the coordinator refused the upgrade and said why. */
export const CLOSE_REFUSED = 4403;
/** The other side sent more than it may, or reads less than it should. */
export const CLOSE_TOO_BIG = 1009;

/**
 * Two ends in one process. Messages arrive in order, each in a microtask of its own, never inside send(): the same
 * text, the same validation, the same asynchrony as over a socket.
 */
export function memoryTransports(a: TransportEvents, b: TransportEvents): [Transport, Transport] {
  let open = true;
  const close = (code: number, reason: string) => {
    if (!open) return;
    open = false;
    queueMicrotask(() => {
      a.closed(code, reason);
      b.closed(code, reason);
    });
  };
  const end = (other: TransportEvents): Transport => ({
    send(text) {
      // What was sent before the close still arrives, as over a socket.
      if (open) queueMicrotask(() => other.message(text));
    },
    bufferedBytes: () => 0,
    close,
  });
  return [end(b), end(a)];
}

/** Collects the frames of one turn of the event loop and sends them as one message. */
export type Outbox = {
  /** Adds one frame, already serialised; it leaves at the end of this turn, or with the next flush. */
  push(frameJson: string): void;
  /** Adds one frame for a flush that is sure to follow. */
  add(frameJson: string): void;
  /** Sends what is there now. */
  flush(): void;
};

/** A message is sent before it grows past these, so that the other side never has to refuse it. */
const MESSAGE_CHARS = 1024 * 1024;
const MESSAGE_FRAMES = 1024;

export function outbox(transport: Transport): Outbox {
  let frames: string[] = [];
  let chars = 0;
  let due = false;
  const flush = () => {
    if (frames.length === 0) return;
    const message = frames.length === 1 ? `[${frames[0]}]` : `[${frames.join(",")}]`;
    frames = [];
    chars = 0;
    transport.send(message);
  };
  const flushDue = () => {
    due = false;
    flush();
  };
  const add = (frameJson: string) => {
    if (frames.length > 0 && (chars + frameJson.length > MESSAGE_CHARS || frames.length >= MESSAGE_FRAMES)) flush();
    chars += frameJson.length;
    frames.push(frameJson);
  };
  return {
    add,
    push(frameJson) {
      add(frameJson);
      if (due) return;
      due = true;
      setImmediate(flushDue);
    },
    flush,
  };
}
