// The faces of the event exchange: containerd.services.events.v1.Events for clients over gRPC, and
// containerd.services.events.ttrpc.v1.Events for shims over ttrpc.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Events } from '@berth/rpc/gen/containerd/services/events/v1/events';
import type { Events as ShimEvents } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import type { Envelope } from '@berth/rpc/gen/containerd/types/event';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { EventExchange } from '../events/exchange.ts';
import { namespaceOf } from './call-scope.ts';

export function eventsService(exchange: EventExchange): Implementation<typeof Events> {
  return {
    publish({ topic, event }, call) {
      exchange.publish(namespaceOf(call), topic, event);
      return {};
    },
    forward({ envelope }) {
      exchange.forward(required(envelope));
      return {};
    },
    subscribe: ({ filters }, call) => exchange.subscribe(filters, call.signal),
  };
}

export function shimEventsService(exchange: EventExchange): Implementation<typeof ShimEvents> {
  return {
    forward({ envelope }) {
      exchange.forward(required(envelope));
      return {};
    },
  };
}

function required(envelope: Envelope | undefined): Envelope {
  if (!envelope) throw new EngineError('InvalidArgument', 'the request has no event: invalid argument', { layer: 'lifecycle' });
  return envelope;
}
