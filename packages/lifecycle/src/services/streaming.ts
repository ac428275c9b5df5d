// The gRPC face of streams, containerd.services.streaming.v1.Streaming: the first message names the stream, an empty answer says
// that it is open, and from then on messages pass in both directions until either side ends.
import { EngineError } from '@berth/errdefs/engine-error';
import { pack, unpack } from '@berth/rpc/any';
import { StreamInit, type Streaming } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Empty } from '@berth/rpc/gen/google/protobuf/empty';
import type { Implementation } from '@berth/rpc/ttrpc/server';
import type { Streams } from '../transfer/streams.ts';
import { namespaceOf } from './call-scope.ts';

export function streamingService(streams: Streams): Implementation<typeof Streaming> {
  return {
    async *stream(requests, call) {
      const namespace = namespaceOf(call);
      const incoming = requests[Symbol.asyncIterator]();
      const first = await incoming.next();
      if (first.done) throw new EngineError('InvalidArgument', 'a stream begins with its StreamInit message', { layer: 'lifecycle' });
      const { id } = unpack(StreamInit, first.value);
      if (id === '') throw new EngineError('InvalidArgument', 'a stream needs an id', { layer: 'lifecycle' });
      const stream = streams.open(namespace, id, incoming);
      try {
        yield pack(Empty, {});
        yield* stream.outgoing(call.signal);
      } finally {
        streams.forget(namespace, id);
      }
    },
  };
}
