// The streams of a process that a client starts: FIFOs, which any shim opens by their names. The client makes and reads them, so output
// needs somebody here until it has ended.
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, type Readable, type Writable } from 'node:stream';
import { mkfifo } from '@berth/sys/path';

export interface StreamOptions {
  stdin?: Readable;
  stdout?: Writable;
  /** With a terminal everything comes as stdout. */
  stderr?: Writable;
  terminal?: boolean;
}

/** The FIFOs of one process, in a directory of their own below the system's temporary one, which goes when it is disposed of. */
export class ProcessStreams implements Disposable {
  /** For Tasks.Create and Tasks.Exec: '' is none. */
  readonly names = { stdin: '', stdout: '', stderr: '' };
  readonly terminal: boolean;
  /** Resolves when all output has been read and written on. */
  readonly finished: Promise<void>;
  readonly #directory = mkdtempSync(join(tmpdir(), 'berth-io-'));
  readonly #stdin: Readable | undefined;
  readonly #sockets: Socket[] = [];
  /** Writers of our own: without one a FIFO ends before the shim has opened it. */
  readonly #keepers: number[] = [];

  constructor({ stdin, stdout, stderr, terminal = false }: StreamOptions) {
    this.terminal = terminal;
    this.#stdin = stdin;
    if (stdin) this.names.stdin = this.#make('stdin');
    const outputs: Promise<void>[] = [];
    if (stdout) this.names.stdout = this.#make('stdout');
    if (stdout) outputs.push(this.#read(this.names.stdout, stdout));
    if (stderr && !terminal) this.names.stderr = this.#make('stderr');
    if (stderr && !terminal) outputs.push(this.#read(this.names.stderr, stderr));
    this.finished = Promise.all(outputs).then(() => {});
  }

  /** The shim has the FIFOs open: output ends with it, and input begins. `closed` is called when there is no more input. */
  opened(closed: () => void): void {
    for (const fd of this.#keepers.splice(0)) closeSync(fd);
    if (!this.#stdin) return;
    const fd = openSync(this.names.stdin, constants.O_WRONLY | constants.O_NONBLOCK);
    const socket = new Socket({ fd, readable: false, writable: true });
    this.#sockets.push(socket);
    pipeline(this.#stdin, socket, closed);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#keepers.splice(0)) closeSync(fd);
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #make(name: string): string {
    const path = join(this.#directory, name);
    mkfifo(path, 0o600);
    return path;
  }

  #read(path: string, into: Writable): Promise<void> {
    this.#keepers.push(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    const socket = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
    this.#sockets.push(socket);
    socket.pipe(into, { end: false });
    return new Promise((resolve) => socket.once('close', () => resolve()));
  }
}
