// Bytes over a client's stream, by containerd's protocol for archives (core/transfer/streaming): who receives opens a window of so many
// bytes, who sends stays within it, and the end of the stream is the end of the bytes.
import { EngineError } from '@berth/errdefs/engine-error';
import { pack, unpack } from '@berth/rpc/any';
import { Data, WindowUpdate } from '@berth/rpc/gen/containerd/types/transfer/streaming';
import type { MessageStream } from './streams.ts';

/** Bytes that a client may send ahead. */
const WINDOW = 4 << 20;
/** Of one message. */
const LONGEST = 256 << 10;

export async function* receiveBytes(stream: MessageStream): AsyncGenerator<Buffer, void, undefined> {
  let window = 0;
  for (;;) {
    if (window <= WINDOW / 2) {
      stream.send(pack(WindowUpdate, { update: WINDOW }));
      window += WINDOW;
    }
    const message = await stream.receive();
    if (message === undefined) return;
    const { data } = unpack(Data, message);
    window -= data.length;
    yield Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }
}

/** Resolves when the client's side has taken every byte. Cancelled when it goes away before that. */
export async function sendBytes(stream: MessageStream, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let window = 0;
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; ) {
      while (window <= 0) window += await widened(stream);
      const length = Math.min(window, LONGEST, chunk.length - at);
      stream.send(pack(Data, { data: Uint8Array.from(chunk.subarray(at, at + length)) }));
      await stream.drained();
      at += length;
      window -= length;
    }
  }
  stream.close();
}

async function widened(stream: MessageStream): Promise<number> {
  const message = await stream.receive();
  if (message === undefined) throw new EngineError('Cancelled', 'the client stopped taking the archive', { layer: 'lifecycle' });
  return unpack(WindowUpdate, message).update;
}
