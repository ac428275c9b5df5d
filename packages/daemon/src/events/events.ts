// What happens in the engine, told to whoever listens (`GET /events`): the last 256 messages are kept for `since`.
// Actions and attributes are Docker's; the fields status, id and from repeat them for clients older than 1.52.
import type { EventMessage, EventType } from '@berth/api/event';
import type { Filters } from '@berth/api/filters';
import { nowNanoseconds } from '../state/clock.ts';

export interface EngineEvent extends EventMessage {
  /** The exact moment; timeNano is written from it, for a double cannot hold it. */
  readonly moment: bigint;
}

const KEPT = 256;
/** Container actions that older clients know by `status`. */
const WITH_STATUS = new Set<EventType>(['container', 'image']);

export const EVENT_FILTERS = [
  'type',
  'event',
  'container',
  'image',
  'network',
  'volume',
  'plugin',
  'daemon',
  'label',
  'scope',
  'node',
  'service',
  'secret',
  'config',
] as const;

export class Events {
  readonly #recent: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  emit(type: EventType, action: string, id: string, attributes: Readonly<Record<string, string>> = {}): void {
    const moment = nowNanoseconds();
    const event: EngineEvent = {
      ...(WITH_STATUS.has(type) ? { status: action, id, from: attributes.image ?? '' } : {}),
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: { ...attributes } },
      scope: 'local',
      time: Number(moment / 1_000_000_000n),
      timeNano: Number(moment),
      moment,
    };
    this.#recent.push(event);
    if (this.#recent.length > KEPT) this.#recent.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Kept events after `since`, oldest first. */
  since(since: bigint): EngineEvent[] {
    return this.#recent.filter((event) => event.moment >= since);
  }

  /** Calls `listener` with every event from now on, until the result is disposed of. */
  subscribe(listener: (event: EngineEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

/** An event as a line of JSON; `timeNano` keeps all of its digits. */
export function serializeEvent(event: EngineEvent): string {
  const { moment, timeNano: _rounded, ...message } = event;
  return `${JSON.stringify(message).slice(0, -1)},"timeNano":${moment}}\n`;
}

export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  const attributes = event.Actor.Attributes;
  const action = event.Action.split(':', 1)[0] as string;
  return (
    filters.exact('type', event.Type) &&
    filters.some('event', (wanted) => wanted === event.Action || wanted === action) &&
    filters.exact('scope', event.scope) &&
    filters.labels('label', attributes) &&
    matchesActor(event, filters, 'container') &&
    matchesActor(event, filters, 'volume') &&
    matchesActor(event, filters, 'network') &&
    matchesActor(event, filters, 'daemon') &&
    matchesImage(event, filters)
  );
}

function matchesActor(event: EngineEvent, filters: Filters, type: EventType): boolean {
  if (!filters.has(type)) return true;
  const { ID, Attributes } = event.Actor;
  // A network's connect and disconnect name the container in an attribute.
  const mentioned = event.Type === type ? [ID, Attributes.name ?? ''] : [Attributes[type] ?? ''];
  return filters.some(type, (wanted) => mentioned.some((one) => one === wanted || (one !== '' && ID === one && one.startsWith(wanted))));
}

function matchesImage(event: EngineEvent, filters: Filters): boolean {
  if (!filters.has('image')) return true;
  const { ID, Attributes } = event.Actor;
  const mentioned = event.Type === 'image' ? [ID, Attributes.name ?? ''] : [Attributes.image ?? ''];
  return filters.some('image', (wanted) => mentioned.some((one) => one === wanted || one.replace(/:[^:/]+$/, '') === wanted));
}
