// A stream with an id, from the client's side: opened here, named in a later call, which then talks back over it (containerd's
// core/streaming). Progress comes over one, credentials and archives go over another.
import { randomUUID } from 'node:crypto';
import { EngineError } from '@berth/errdefs/engine-error';
import { pack, unpack } from '@berth/rpc/any';
import { StreamInit } from '@berth/rpc/gen/containerd/services/streaming/v1/streaming';
import { Data, WindowUpdate } from '@berth/rpc/gen/containerd/types/transfer/streaming';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import type { Duplex } from '@berth/rpc/grpc/client';
import type { LifecycleClient } from './lifecycle-client.ts';

/** Bytes of an archive that the service may send ahead, and of one message of it. */
const WINDOW = 4 << 20;
const LONGEST = 256 << 10;

export interface MessageStream {
  readonly id: string;
  /** Undefined when the service has ended its side. */
  receive(): Promise<Any | undefined>;
  send(message: Any): Promise<void>;
  /** No more messages from here. */
  end(): void;
}

/** Resolves when the service knows the stream. `signal` ends it from either side's point of view. */
export async function openStream({ streaming }: Pick<LifecycleClient, 'streaming'>, signal: AbortSignal): Promise<MessageStream> {
  const id = `berth-${randomUUID({ disableEntropyCache: true })}`;
  const call: Duplex<Any, Any> = streaming.stream({ signal });
  await call.send(pack(StreamInit, { id }));
  const messages = call[Symbol.asyncIterator]();
  // The empty answer: the stream can be named in calls from now on.
  await messages.next();
  return {
    id,
    async receive() {
      const next = await messages.next();
      return next.done ? undefined : next.value;
    },
    send: (message) => call.send(message),
    end: () => call.end(),
  };
}

/** Sends an archive within the window that the service opens, and ends the stream. */
export async function sendArchive(stream: MessageStream, archive: AsyncIterable<Uint8Array>): Promise<void> {
  let window = 0;
  for await (const chunk of archive) {
    for (let at = 0; at < chunk.length; ) {
      while (window <= 0) {
        const message = await stream.receive();
        if (message === undefined) throw new EngineError('Cancelled', 'the service stopped taking the archive', { layer: 'lifecycle' });
        window += unpack(WindowUpdate, message).update;
      }
      const length = Math.min(window, LONGEST, chunk.length - at);
      await stream.send(pack(Data, { data: chunk.subarray(at, at + length) }));
      at += length;
      window -= length;
    }
  }
  stream.end();
}

/** The bytes that the service sends, until it ends the stream. */
export async function* receiveArchive(stream: MessageStream): AsyncGenerator<Uint8Array, void, undefined> {
  let window = 0;
  for (;;) {
    if (window <= WINDOW / 2) {
      await stream.send(pack(WindowUpdate, { update: WINDOW }));
      window += WINDOW;
    }
    const message = await stream.receive();
    if (message === undefined) return;
    const { data } = unpack(Data, message);
    window -= data.length;
    yield data;
  }
}
