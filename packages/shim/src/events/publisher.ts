// Forwards events to the lifecycle service, in order, over one connection that is made again whenever it is lost. A service that is
// away costs the container nothing: events wait here, and a service that comes back asks for the state anyway.
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

export class EventPublisher {
  readonly #address: string;
  readonly #namespace: string;
  readonly #queue: Init<ForwardRequest>[] = [];
  #client: TtrpcClient | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  /** `address` is a unix socket's path; an empty one throws every event away. */
  constructor(address: string, namespace: string) {
    this.#address = address;
    this.#namespace = namespace;
  }

  publish<T>(topic: string, type: MessageType<T>, event: Init<T>): void {
    if (this.#address === '' || this.#closed) return;
    const any = { typeUrl: type.fullName, value: type.encode(event) };
    this.#queue.push({ envelope: { timestamp: wallTime(), namespace: this.#namespace, topic, event: any } });
    if (this.#queue.length > QUEUE_LIMIT) this.#queue.shift();
    this.#running ??= this.#run();
  }

  /** Waits at most `patience` milliseconds for what is queued, then lets go of the connection. */
  async close(patience: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
    this.#closed = true;
    this.#client?.close();
  }

  async #run(): Promise<void> {
    let pause = FIRST_PAUSE;
    for (let event = this.#queue[0]; event && !this.#closed; event = this.#queue[0]) {
      try {
        this.#client ??= await TtrpcClient.connect(this.#address);
        const metadata = [[NAMESPACE, this.#namespace] as const];
        await this.#client.call(Events.name, Events.methods.forward, event, { metadata, timeout: TIMEOUT });
        pause = FIRST_PAUSE;
        if (this.#queue[0] === event) this.#queue.shift();
      } catch {
        this.#client?.close();
        this.#client = undefined;
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, LONGEST_PAUSE);
      }
    }
    this.#running = undefined;
  }
}
