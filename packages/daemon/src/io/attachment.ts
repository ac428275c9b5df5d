// One attached client: between its hijacked connection and the attach socket of a process (docs/attach.md). Output bytes pass
// through as they are, the shim has framed them already; input passes the detach keys on a terminal.
import { connect, type Socket } from 'node:net';
import { finished } from 'node:stream';
import { DetachKeys } from '@berth/api/detach-keys';
import { EngineError } from '@berth/errdefs/engine-error';
import type { HijackedStream } from '../server/hijack.ts';

export interface AttachStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Connects to a process' output; from then on nothing is missed. */
export async function connectProcess(path: string, streams: AttachStreams): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(new EngineError('Unavailable', `cannot attach to ${path}: ${cause.message}`, { layer: 'shim', cause })),
    );
  });
  socket.on('error', () => {});
  socket.write(`${JSON.stringify(streams)}\n`);
  return socket;
}

export interface AttachmentOptions {
  readonly stdin: boolean;
  /** The detach sequence, on a terminal. */
  readonly detachKeys: Buffer | undefined;
  /** Called when the process' output has ended, before its client learns of it. */
  readonly onOutputEnd?: () => void;
}

/** Resolves when the process' output has ended, the client has gone, or has typed the detach keys. */
export async function runAttachment(client: HijackedStream, process: Socket, options: AttachmentOptions): Promise<'ended' | 'detached'> {
  let detached = false;
  const over = new Promise<void>((resolve) => {
    // A short process may have ended, and its connection with it, before anybody listened: `finished` also tells of the past.
    finished(process, { writable: false }, () => resolve());
    // A process without output may have ended before anybody listened.
    if (process.readableEnded || process.destroyed) resolve();
    void client.closed.then(resolve);
    if (options.stdin) {
      forwardInput(client, process, options.detachKeys, () => {
        detached = true;
        resolve();
      });
    } else {
      // What is not asked for is read away, and with it the end of it: a connection that is over on both sides is closed at once.
      client.input.resume();
    }
  });
  process.pipe(client.output, { end: false });
  await over;
  process.unpipe(client.output);
  client.input.unpipe?.(process);
  client.input.removeAllListeners('data');
  if (process.readableEnded) options.onOutputEnd?.();
  client.end();
  process.destroy();
  return detached ? 'detached' : 'ended';
}

function forwardInput(client: HijackedStream, process: Socket, keys: Buffer | undefined, onDetach: () => void): void {
  if (keys === undefined) {
    client.input.pipe(process);
    return;
  }
  const filter = new DetachKeys(keys);
  client.input.on('data', (chunk: Buffer) => {
    const { pass, detached } = filter.filter(chunk);
    if (pass.byteLength > 0 && !process.write(pass)) {
      client.input.pause();
      process.once('drain', () => client.input.resume());
    }
    if (detached) onDetach();
  });
  client.input.once('end', () => process.end());
  if (client.input.readableEnded) process.end();
}
