// Forwards events to the lifecycle service, in order, over one connection that is made again whenever it is lost. A service that is
// away costs the container nothing: events wait here, and a service that comes back asks for the state anyway.
//
// A service that handles the calls of one connection in order (Berth's) gets in one write what waits; any other, such as containerd,
// whose handlers run side by side, gets the next event when it has answered the one before.
import { Events, type ForwardRequest } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { TtrpcClient } from '@berth/rpc/ttrpc/client';
import { NAMESPACE } from '@berth/rpc/ttrpc/message';
import type { Init, MessageType } from '@berth/rpc/wire/message';
import { wallTime } from '@berth/sys/clock';

/** Events that are kept while nobody takes them; the oldest go first. */
const QUEUE_LIMIT = 1024;
/** Milliseconds between attempts, doubled from the first to the longest. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 5000;
const TIMEOUT = 5000;
/** Milliseconds that an event which nobody waits for waits for others to go with. */
const COMPANY = 50;

export interface PublisherOptions {
  /** A unix socket's path; an empty one throws every event away. */
  address: string;
  namespace: string;
  /** The service handles the events of one connection in the order in which they come. */
  inOrder: boolean;
}

export class EventPublisher {
  readonly #options: PublisherOptions;
  readonly #queue: Init<ForwardRequest>[] = [];
  #client: TtrpcClient | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish<T>(topic: string, type: MessageType<T>, event: Init<T>): void {
    this.#add(topic, type, event);
    this.#send();
  }

  /** For news that no request waits for: goes with the next event, or alone after a moment. */
  publishSoon<T>(topic: string, type: MessageType<T>, event: Init<T>): void {
    this.#add(topic, type, event);
    if (this.#options.inOrder) this.#timer ??= setTimeout(() => this.#send(), COMPANY);
    else this.#send();
  }

  /** Waits at most `patience` milliseconds for what is queued, then lets go of the connection. */
  async close(patience: number): Promise<void> {
    this.#send();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
    this.#closed = true;
    this.#client?.close();
  }

  #add<T>(topic: string, type: MessageType<T>, event: Init<T>): void {
    const { address, namespace } = this.#options;
    if (address === '' || this.#closed) return;
    const any = { typeUrl: type.fullName, value: type.encode(event) };
    this.#queue.push({ envelope: { timestamp: wallTime(), namespace, topic, event: any } });
    if (this.#queue.length > QUEUE_LIMIT) this.#queue.shift();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#queue.length > 0) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Answers to whoever waits for the same news leave first: the first event makes a connection.
    if (!this.#client) await new Promise((resolve) => setImmediate(resolve));
    let pause = FIRST_PAUSE;
    while (this.#queue.length > 0 && !this.#closed) {
      try {
        this.#client ??= await TtrpcClient.connect(this.#options.address);
        const client = this.#client;
        await Promise.all(this.#queue.slice(0, this.#options.inOrder ? undefined : 1).map((event) => this.#forward(client, event)));
        pause = FIRST_PAUSE;
      } catch {
        this.#client?.close();
        this.#client = undefined;
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, LONGEST_PAUSE);
      }
    }
    this.#running = undefined;
  }

  async #forward(client: TtrpcClient, event: Init<ForwardRequest>): Promise<void> {
    const metadata = [[NAMESPACE, this.#options.namespace] as const];
    await client.call(Events.name, Events.methods.forward, event, { metadata, timeout: TIMEOUT });
    const at = this.#queue.indexOf(event);
    if (at >= 0) this.#queue.splice(at, 1);
  }
}
