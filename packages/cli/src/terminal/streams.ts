// Joins the user's terminal or pipes to a hijacked connection: stdin in, stdout and stderr out, raw mode, detach keys.
import type { Duplex, Readable } from 'node:stream';
import { DetachKeys, parseDetachKeys } from '@berth/api/detach-keys';
import { STREAM, StdcopyDecoder } from '@berth/api/stdcopy';
import type { Hijacked } from '@berth/client/engine';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Context } from '../context.ts';
import { rawMode } from './raw-mode.ts';

export interface StreamOptions {
  /** The container has a terminal: bytes are raw, and the user's own terminal goes raw. */
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  detachKeys: string;
}

/** How a session ended: the container closed its output, or the user typed the detach keys. */
export type Ending = 'closed' | 'detached';

/** Runs until the output ends or the user detaches; the terminal is given back in every case. */
export async function joinStreams(context: Context, connection: Hijacked, options: StreamOptions): Promise<Ending> {
  const { stream } = connection;
  using _raw = options.tty && options.stdin && context.stdin.isTTY ? rawMode(context.stdin) : undefined;
  try {
    const output = copyOutput(context, stream, connection.multiplexed ?? !options.tty, options);
    if (!options.stdin) return await output;
    return await Promise.race([output, copyInput(context, stream, options)]);
  } finally {
    context.stdin.pause();
    context.stdin.removeAllListeners('data');
    stream.destroy();
  }
}

/** Output alone: the body of `logs`. */
export async function joinOutput(context: Context, body: Readable, multiplexed: boolean): Promise<void> {
  await copyOutput(context, body, multiplexed, { stdout: true, stderr: true });
}

function copyOutput(
  context: Context,
  stream: Readable,
  multiplexed: boolean,
  options: Pick<StreamOptions, 'stdout' | 'stderr'>,
): Promise<Ending> {
  const out = options.stdout ? context.stdout : undefined;
  const err = options.stderr ? context.stderr : undefined;
  const decoder = new StdcopyDecoder();
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      let flowing = true;
      if (!multiplexed) flowing = out?.write(chunk) ?? true;
      else {
        for (const frame of decoder.push(chunk)) {
          if (frame.stream === STREAM.systemError) {
            reject(new EngineError('Internal', `error from daemon in stream: ${frame.payload.toString()}`, { layer: 'daemon' }));
            return;
          }
          const written = frame.stream === STREAM.stderr ? err?.write(frame.payload) : out?.write(frame.payload);
          flowing = flowing && (written ?? true);
        }
      }
      if (flowing) return;
      // A slow reader of ours slows the container down, it does not fill our memory.
      stream.pause();
      const resume = () => stream.resume();
      if (out?.writableNeedDrain) out.once('drain', resume);
      else if (err?.writableNeedDrain) err.once('drain', resume);
      else resume();
    });
    stream.on('end', () => resolve('closed'));
    stream.on('close', () => resolve('closed'));
    stream.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve('closed') : reject(error)));
  });
}

/** Resolves only when the user detaches: the end of input is passed on and the output goes on. */
function copyInput(context: Context, stream: Duplex, options: StreamOptions): Promise<Ending> {
  const keys = options.tty ? new DetachKeys(parseDetachKeys(options.detachKeys)) : undefined;
  return new Promise((resolve) => {
    context.stdin.on('data', (chunk: Buffer) => {
      const { pass, detached } = keys?.filter(chunk) ?? { pass: chunk, detached: false };
      if (pass.length > 0 && stream.writable && !stream.write(pass)) {
        context.stdin.pause();
        stream.once('drain', () => context.stdin.resume());
      }
      if (detached) resolve('detached');
    });
    context.stdin.on('end', () => stream.end());
    context.stdin.on('error', () => stream.end());
    context.stdin.resume();
  });
}
