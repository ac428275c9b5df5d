// A process' input and output where its shim is not Berth's and knows no attach sockets: the daemon stands in for it. The shim gets
// containerd's FIFOs; this end of them feeds the same log and the same attach socket that Berth's shim would have (docs/attach.md),
// so that nothing above sees a difference, but that output waits in the FIFOs while no daemon runs.
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { AttachServer } from '@berth/shim/stdio/attach';
import { Copier } from '@berth/shim/stdio/copier';
import { JsonFileLog } from '@berth/shim/stdio/json-file';
import { type Output, type OutputStream, STDERR, STDOUT } from '@berth/shim/stdio/output';
import { Stdin } from '@berth/shim/stdio/stdin';
import { parseDestination } from '@berth/shim/stdio/uri';
import { mkfifo } from '@berth/sys/path';
import type { StdioUris } from '../containers/task/stdio.ts';

/** Milliseconds that output may still come after the exit from others that hold the pipes. */
const AFTER_EXIT = 2000;

export interface StandInOptions {
  readonly terminal: boolean;
  /** Tells the shim that no more input comes. */
  closeInput(): void;
  /** Takes one line for people when output cannot be kept. */
  complain(message: string): void;
  /** The process runs already: the FIFOs are there, and its shim has them open. */
  running: boolean;
}

export class StandInStdio {
  /** What the shim is to open. */
  readonly names: StdioUris;
  readonly #copier = new Copier();
  readonly #outputs: Output[] = [];
  readonly #attach: AttachServer;
  readonly #undo = new DisposableStack();
  /** Writers of our own: without one a FIFO ends before the shim has opened it. */
  #keepers: number[] = [];
  #stdin: Stdin | undefined;

  /** `uris` are what Berth's shim would be given: attach: URIs, or ''. */
  constructor(uris: StdioUris, options: StandInOptions) {
    const destination = parseDestination(uris.stdout);
    if (destination.kind !== 'attach') throw new EngineError('Internal', `${uris.stdout} is no attach socket`, { layer: 'daemon' });
    const base = destination.socket.replace(/\.sock$/, '');
    const name = (uri: string, suffix: string) => (uri === '' ? '' : `${base}.${suffix}`);
    this.names = { stdin: name(uris.stdin, 'in'), stdout: name(uris.stdout, 'out'), stderr: name(uris.stderr, 'err') };
    try {
      if (destination.log) this.#add(new JsonFileLog(destination.log, options.complain));
      this.#attach = new AttachServer({ ...destination, terminal: options.terminal }, () => this.#copier.changed());
      this.#add(this.#attach);
      this.#read(STDOUT, this.names.stdout, options.running);
      if (this.names.stderr !== '') this.#read(STDERR, this.names.stderr, options.running);
      if (this.names.stdin !== '') this.#feed(this.names.stdin, options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The shim has the FIFOs open: from now on they end with it. */
  taken(): void {
    for (const fd of this.#keepers.splice(0)) closeSync(fd);
  }

  /** The process has exited: resolves when its output is complete in the log and on its way to attached clients. */
  async exited(): Promise<void> {
    this.taken();
    this.#copier.readEverything();
    const patience = new AbortController();
    await Promise.race([this.#copier.drained(), delay(AFTER_EXIT, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    this.#copier.close();
    this.#attach.finish();
  }

  /** Gives everything back; attached clients still get what was written for them. */
  close(): void {
    this.taken();
    this.#stdin?.destroy();
    this.#copier.close();
    for (const output of this.#outputs.splice(0)) output.close();
    this.#undo.dispose();
  }

  /** The daemon ends and the process runs on: the FIFOs stay for the next daemon. */
  leave(): void {
    if (this.#undo.disposed) return;
    this.#undo.move();
    this.close();
  }

  #add(output: Output): void {
    this.#outputs.push(output);
    this.#copier.addOutput(output);
  }

  #read(stream: OutputStream, path: string, running: boolean): void {
    this.#makeFifo(path, running);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!running) this.#keepers.push(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    this.#copier.addPipe(stream, fd);
  }

  /** For reading too: a FIFO without a reader cannot be opened for writing alone. */
  #feed(path: string, { running, closeInput }: StandInOptions): void {
    this.#makeFifo(path, running);
    this.#stdin = Stdin.ofPipe(openSync(path, constants.O_RDWR | constants.O_NONBLOCK), closeInput);
    this.#attach.connectStdin(this.#stdin);
  }

  #makeFifo(path: string, running: boolean): void {
    this.#undo.defer(() => rmSync(path, { force: true }));
    if (running) return;
    rmSync(path, { force: true });
    mkfifo(path, 0o600);
  }
}
