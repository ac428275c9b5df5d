// The event exchange: whoever publishes (shims, and this service itself) and whoever listens (clients, each with filters of its own).
// Events are not kept: a subscriber gets what is published from the moment it subscribed. Runs in berth-lifecycle.
import { EngineError } from '@berth/errdefs/engine-error';
import { pack } from '@berth/rpc/any';
import type { Envelope } from '@berth/rpc/gen/containerd/types/event';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { timestampNow } from '@berth/rpc/timestamp';
import type { Init, MessageType } from '@berth/rpc/wire/message';
import { Filter } from '../metadata/filter.ts';
import { validateIdentifier } from '../metadata/identifier.ts';
import { readEnvelope } from './event-fields.ts';

/** How many events wait for a subscriber that does not read, before it is dropped. */
const BACKLOG = 50_000;

interface Subscriber {
  filter: Filter;
  backlog: Envelope[];
  wake: () => void;
  overrun: boolean;
}

export class EventExchange {
  readonly #subscribers = new Set<Subscriber>();

  /** Publishes an event of this service. */
  emit<T>(namespace: string, topic: string, type: MessageType<T>, message: Init<T>): void {
    if (this.#subscribers.size > 0) this.#deliver({ timestamp: timestampNow(), namespace, topic, event: pack(type, message) });
  }

  /** Publishes an event of a client. InvalidArgument for a topic that is none. */
  publish(namespace: string, topic: string, event: Any | undefined): void {
    this.forward({ timestamp: timestampNow(), namespace, topic, event });
  }

  /** Passes on an event that was published elsewhere, with the time and the namespace that it has. */
  forward(envelope: Envelope): void {
    validateIdentifier(envelope.namespace, 'event envelope has invalid namespace: ');
    validateTopic(envelope.topic);
    if (!envelope.timestamp)
      throw new EngineError('InvalidArgument', 'timestamp must be set on forwarded event: invalid argument', { layer: 'lifecycle' });
    this.#deliver(envelope);
  }

  /** Every matching event from now on, until the signal. The subscription stands when this returns, before the first event is asked for. */
  subscribe(filters: readonly string[], signal: AbortSignal): AsyncGenerator<Envelope, void, undefined> {
    const subscriber: Subscriber = { filter: new Filter(filters), backlog: [], wake: () => {}, overrun: false };
    this.#subscribers.add(subscriber);
    signal.addEventListener(
      'abort',
      () => {
        this.#subscribers.delete(subscriber);
        subscriber.wake();
      },
      { once: true },
    );
    return this.#events(subscriber, signal);
  }

  async *#events(subscriber: Subscriber, signal: AbortSignal): AsyncGenerator<Envelope, void, undefined> {
    try {
      while (!signal.aborted) {
        if (subscriber.overrun)
          throw new EngineError('ResourceExhausted', `more than ${BACKLOG} events wait to be read; subscribe again`, {
            layer: 'lifecycle',
          });
        const batch = subscriber.backlog.splice(0);
        if (batch.length > 0) yield* batch;
        else {
          await new Promise<void>((resolve) => {
            subscriber.wake = resolve;
          });
        }
      }
    } finally {
      this.#subscribers.delete(subscriber);
    }
  }

  #deliver(envelope: Envelope): void {
    for (const subscriber of this.#subscribers) {
      if (!subscriber.filter.matches(envelope, readEnvelope)) continue;
      if (subscriber.backlog.length >= BACKLOG) subscriber.overrun = true;
      else subscriber.backlog.push(envelope);
      subscriber.wake();
    }
  }
}

/** `/tasks/exit`: a slash and an identifier, once or more. */
function validateTopic(topic: string): void {
  const wrong =
    topic === ''
      ? 'must not be empty'
      : !topic.startsWith('/')
        ? "must start with '/'"
        : topic === '/'
          ? 'must have at least one component'
          : undefined;
  if (wrong !== undefined)
    throw new EngineError('InvalidArgument', `envelope topic "${topic}": ${wrong}: invalid argument`, { layer: 'lifecycle' });
  for (const part of topic.slice(1).split('/')) validateIdentifier(part, `envelope topic "${topic}": component "${part}": `);
}
