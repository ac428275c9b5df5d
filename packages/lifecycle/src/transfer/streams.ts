// Streams with an id (containerd's core/streaming): a client opens one through the Streaming service and names it in a later call,
// which then talks to that client: progress and archives out, credentials and archives in. Runs in the lifecycle service.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';

/** How many messages may wait for a client that does not read: progress is dropped beyond it. */
const OUTBOX_LIMIT = 4096;

/** One client's stream, from the side that was called. */
export class MessageStream {
  readonly #incoming: AsyncIterator<Any>;
  readonly #outbox: Any[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(incoming: AsyncIterator<Any>) {
    this.#incoming = incoming;
  }

  /** False when the client has too much to read already, or is gone. */
  send(message: Any): boolean {
    if (this.#closed || this.#outbox.length >= OUTBOX_LIMIT) return false;
    this.#outbox.push(message);
    this.#wake?.();
    return true;
  }

  /** Resolves when the client has taken what was sent: for senders that must lose nothing. */
  async drained(): Promise<void> {
    while (!this.#closed && this.#outbox.length > OUTBOX_LIMIT / 2) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** The client's next message; undefined when it has ended its side. */
  async receive(): Promise<Any | undefined> {
    const next = await this.#incoming.next();
    return next.done ? undefined : next.value;
  }

  /** What was sent is still delivered. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** What goes to the client, until the stream is closed and empty. */
  async *outgoing(signal: AbortSignal): AsyncGenerator<Any, void, undefined> {
    const stop = () => this.close();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const message = this.#outbox.shift();
        if (message !== undefined) yield message;
        else if (this.#closed) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.#closed = true;
    }
  }
}

/** The open streams of all clients. An id belongs to the namespace that opened it. */
export class Streams {
  readonly #open = new Map<string, MessageStream>();

  /** AlreadyExists for an id in use. */
  open(namespace: string, id: string, incoming: AsyncIterator<Any>): MessageStream {
    const key = `${namespace}/${id}`;
    if (this.#open.has(key)) throw new EngineError('AlreadyExists', `stream "${id}": already exists`, { layer: 'lifecycle' });
    const stream = new MessageStream(incoming);
    this.#open.set(key, stream);
    return stream;
  }

  /** NotFound for an id that no client holds open. */
  get(namespace: string, id: string): MessageStream {
    const stream = this.#open.get(`${namespace}/${id}`);
    if (!stream) throw new EngineError('NotFound', `stream "${id}": not found`, { layer: 'lifecycle' });
    return stream;
  }

  forget(namespace: string, id: string): void {
    this.#open.delete(`${namespace}/${id}`);
  }
}
