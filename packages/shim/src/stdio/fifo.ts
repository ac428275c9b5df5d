// FIFOs, the way containerd's clients take a task's output and feed its input. The shim opens each for reading and writing, so
// that a client may come late or go away: the process is held up by a full FIFO, but never killed by a closed one.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { EngineError } from '@berth/errdefs/engine-error';
import { FileOutput } from './file.ts';
import type { Output, OutputStream } from './output.ts';
import type { Stdin } from './stdin.ts';

const HIGH_WATER = 256 * 1024;

/** The output for a path: a FIFO's, or a plain file's, which containerd allows too. */
export function openFifoOutput(path: string, changed: () => void): Output {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  if (fstatSync(fd).isFIFO()) return new FifoOutput(fd, changed);
  closeSync(fd);
  return new FileOutput(path);
}

/** The writing end of a pipe, named or not; the descriptor is this object's. Many a process writes nothing: what that takes is made then. */
export class FifoOutput implements Output {
  #fd: number | undefined;
  #socket: Socket | undefined;
  readonly #changed: () => void;
  #full = false;

  constructor(fd: number, changed: () => void) {
    this.#fd = fd;
    this.#changed = changed;
  }

  get full(): boolean {
    return this.#full;
  }

  write(_stream: OutputStream, chunk: Buffer): void {
    const socket = this.#writer();
    if (!socket?.writable) return;
    socket.write(Buffer.from(chunk));
    this.#full = socket.writableLength > HIGH_WATER;
  }

  /** Readers see the end when the shim's descriptor is closed, and that is when all is written. */
  end(): void {
    const socket = this.#socket;
    if (socket) socket.end(() => socket.destroy());
    else this.#closeUnused();
  }

  close(): void {
    if (this.#socket) this.#socket.destroy();
    else this.#closeUnused();
  }

  #writer(): Socket | undefined {
    if (this.#fd === undefined) return this.#socket;
    const socket = new Socket({ fd: this.#fd, readable: false, writable: true });
    this.#fd = undefined;
    socket.on('error', () => {});
    socket.on('drain', () => {
      this.#full = false;
      this.#changed();
    });
    this.#socket = socket;
    return socket;
  }

  #closeUnused(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Input from a FIFO. It ends when the client closed its end *and* asked for CloseIO: the shim keeps a writer of its own until then. */
export class FifoInput {
  readonly #reader: Socket;
  #keeper: number;

  constructor(path: string, stdin: Stdin) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(fd).isFIFO()) {
      closeSync(fd);
      throw new EngineError('InvalidArgument', `stdin ${path} is not a FIFO`, { layer: 'shim' });
    }
    this.#keeper = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    this.#reader = new Socket({ fd, readable: true, writable: false });
    this.#reader.on('data', (chunk: Buffer) => stdin.feed(this.#reader, chunk));
    this.#reader.on('end', () => stdin.close());
    this.#reader.on('error', () => {});
  }

  closeIO(): void {
    if (this.#keeper >= 0) closeSync(this.#keeper);
    this.#keeper = -1;
  }

  close(): void {
    this.closeIO();
    this.#reader.destroy();
  }
}
