// A service for tests of the gRPC server, and a client that writes bytes of its own.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Any } from '../../gen/google/protobuf/any.ts';
import { Flag, FrameType, PREFACE } from '../http2/frames.ts';
import { field } from '../http2/hpack.ts';
import type { Implementation } from '../ttrpc/server.ts';
import type { MethodType } from '../wire/message.ts';
import { GrpcServer, type GrpcServerOptions } from './server.ts';

interface EchoMethod<Q extends boolean, R extends boolean> extends MethodType<Any, Any> {
  readonly requestStream: Q;
  readonly responseStream: R;
}

function method<const Q extends boolean, const R extends boolean>(name: string, requestStream: Q, responseStream: R): EchoMethod<Q, R> {
  return { name, path: `/test.Echo/${name}`, request: Any, response: Any, requestStream, responseStream };
}

export const Echo = {
  name: 'test.Echo',
  methods: {
    one: method('One', false, false),
    up: method('Up', true, false),
    down: method('Down', false, true),
    both: method('Both', true, true),
  },
} as const;

export const any = (value: string | Uint8Array): Any => ({ typeUrl: '', value: typeof value === 'string' ? Buffer.from(value) : value });
export const text = ({ value }: Any): string => Buffer.from(value).toString();

/** A server of `implementation` that ends with the test. */
export async function serve(t: TestContext, implementation: Partial<Implementation<typeof Echo>>, options?: GrpcServerOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'berth-echo-'));
  const path = join(directory, 's');
  const server = new GrpcServer(options).register(Echo, implementation);
  await server.listen(path);
  t.after(async () => {
    await server.close(0);
    rmSync(directory, { recursive: true });
  });
  return { server, path };
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const SETTINGS = frame(FrameType.settings, 0, 0);

/** The fields of a request, some of them others. */
export function request(path: string, others: Record<string, string> = {}): Buffer {
  const fields = { ':method': 'POST', ':scheme': 'http', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...others };
  return Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value)));
}

export function headers(stream: number, block: Uint8Array = request('/test.Echo/One'), flags = 0): Buffer {
  return frame(FrameType.headers, Flag.endHeaders | flags, stream, block);
}

/** A message as DATA, the last one of its stream unless told otherwise. */
export function data(stream: number, message: Uint8Array, flags: number = Flag.endStream): Buffer {
  return frame(FrameType.data, flags, stream, Buffer.concat([Buffer.of(0), number(message.length), message]));
}

export interface Got {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

/** A connection that has said PREFACE and SETTINGS, unless told to say something else. */
export async function rawClient(t: TestContext, path: string, greeting: Uint8Array = Buffer.concat([PREFACE, SETTINGS])) {
  const socket = connect(path);
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const got: Got[] = [];
  const chunks: number[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let changed = () => {};
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    chunks.push(chunk.length);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      got.push({ type: rest[3] as number, flags: rest[4] as number, stream: rest.readUInt32BE(5), payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
    changed();
  });
  socket.on('close', () => {
    closed = true;
    changed();
  });
  socket.write(greeting);
  /** Waits for a frame; throws when the connection ends before. */
  const until = async (wanted: (frame: Got) => boolean): Promise<Got> => {
    for (;;) {
      const frame = got.find(wanted);
      if (frame) return frame;
      if (closed) throw new Error(`the server hung up after ${got.map(({ type }) => type).join(' ')}`);
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  /** The error code of the GOAWAY that the connection ends with. */
  const goaway = async (): Promise<number> => {
    const { payload } = await until(({ type }) => type === FrameType.goaway);
    while (!closed) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
    return payload.readUInt32BE(4);
  };
  return { socket, got, chunks, until, goaway, write: (...parts: Uint8Array[]) => socket.write(Buffer.concat(parts)) };
}
