// The fields of events that filters can name, by containerd's rules: `event.<field>` in the message's own snake_case names.
import * as containers from '@berth/rpc/gen/containerd/events/container';
import * as content from '@berth/rpc/gen/containerd/events/content';
import * as images from '@berth/rpc/gen/containerd/events/image';
import * as namespaces from '@berth/rpc/gen/containerd/events/namespace';
import * as sandboxes from '@berth/rpc/gen/containerd/events/sandbox';
import * as snapshots from '@berth/rpc/gen/containerd/events/snapshot';
import * as tasks from '@berth/rpc/gen/containerd/events/task';
import type { Envelope } from '@berth/rpc/gen/containerd/types/event';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { MessageType } from '@berth/rpc/wire/message';

const TYPES = new Map<string, MessageType<unknown>>(
  [containers, content, images, namespaces, sandboxes, snapshots, tasks].flatMap((module) =>
    Object.values(module).map((type) => [type.fullName, type as MessageType<unknown>]),
  ),
);

export function readEnvelope(envelope: Envelope, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'namespace':
      return envelope.namespace;
    case 'topic':
      return envelope.topic;
    case 'event':
      return envelope.event ? readEvent(envelope.event, path.slice(1)) : undefined;
    default:
      return undefined;
  }
}

function readEvent(event: Any, path: readonly string[]): string | undefined {
  const [field = '', ...rest] = path;
  const message = TYPES.get(event.typeUrl)?.decode(event.value) as Record<string, unknown> | undefined;
  let value: unknown = message?.[field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())];
  // Maps have keys with dots in them.
  if (rest.length > 0) value = (value as Record<string, unknown> | undefined)?.[rest.join('.')];
  return typeof value === 'string' ? value : undefined;
}
