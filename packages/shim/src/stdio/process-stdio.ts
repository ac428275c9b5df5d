// The standard streams of one process, from the names in a Create or Exec request to the end of its output. Order of use:
// open (descriptors for the process) → started (copying begins) → exited (output is complete) → close.
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Stdio } from '@berth/runtime/container-options';
import { createPipe } from '@berth/sys/pipe';
import { setWindowSize, type WindowSize } from '@berth/sys/pty';
import { AttachServer } from './attach.ts';
import { type LoggedContainer, startLogger } from './binary.ts';
import { Copier } from './copier.ts';
import { FifoInput, FifoOutput, openFifoOutput } from './fifo.ts';
import { FileOutput } from './file.ts';
import { JsonFileLog } from './json-file.ts';
import { type Output, type OutputStream, STDERR, STDOUT } from './output.ts';
import { Stdin } from './stdin.ts';
import { type Destination, parseDestination } from './uri.ts';

/** As in containerd's requests. */
export interface StdioNames {
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
}

/** Milliseconds that output may still come after the process' exit from others that hold its pipes. */
const AFTER_EXIT = 2000;

export class ProcessStdio implements Disposable {
  /** What the runtime gives the process. */
  readonly forProcess: Stdio;
  readonly names: StdioNames;
  readonly #copier = new Copier();
  readonly #outputs = new Set<Output>();
  readonly #attach: AttachServer | undefined;
  /** Ends that only the process needs: closed once it has them. */
  #childFds: number[] = [];
  /** Ends of the shim that no stream owns yet. */
  #ownFds: { stdin?: number; outputs: [OutputStream, number][] } = { outputs: [] };
  #source: Destination = { kind: 'none' };
  #stdin: Stdin | undefined;
  #fifo: FifoInput | undefined;
  #console: number | undefined;
  #consoleStream: Socket | undefined;
  #closed = false;

  /** `complain` takes one line for people when output cannot be kept. */
  static open(names: StdioNames, container: LoggedContainer, complain: (message: string) => void): ProcessStdio {
    return new ProcessStdio(names, container, complain);
  }

  private constructor(names: StdioNames, container: LoggedContainer, complain: (message: string) => void) {
    this.names = names;
    try {
      const stdout = parseDestination(names.stdout);
      // As a rule all three are one name.
      const parsed = (name: string) => (name === names.stdout ? stdout : parseDestination(name));
      const stderr = names.terminal ? { kind: 'none' as const } : parsed(names.stderr);
      this.#source = parsed(names.stdin);
      this.#attach = this.#openAttach([stdout, stderr, this.#source], complain);
      const logger = [stdout, stderr].find((destination) => destination.kind === 'binary');
      const pipes = logger?.kind === 'binary' ? startLogger(logger, container) : undefined;
      const toStdout = this.#outputFor(stdout, STDOUT, pipes?.stdout);
      const toStderr = this.#outputFor(stderr, STDERR, pipes?.stderr);
      this.forProcess = names.terminal ? { terminal: true } : this.#pipes(toStdout, toStderr);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The process has its ends. `consoleMaster` is its terminal's master, if it has one; it is this object's from here on. */
  started(consoleMaster?: number): void {
    for (const fd of this.#childFds.splice(0)) closeSync(fd);
    this.adoptPipes();
    if (consoleMaster !== undefined) {
      this.#console = consoleMaster;
      this.#consoleStream = this.#copier.addTerminal(consoleMaster);
      this.#stdin = Stdin.ofTerminal(this.#consoleStream);
    }
    if (!this.#stdin) return;
    const source = this.#source;
    if (source.kind === 'fifo') this.#fifo = new FifoInput(source.path, this.#stdin);
    else if (source.kind === 'attach') this.#attach?.connectStdin(this.#stdin);
  }

  /** The part of `started` that may come before it, while the process is being born: its streams get readers and a writer. */
  adoptPipes(): void {
    for (const [stream, fd] of this.#ownFds.outputs.splice(0)) this.#copier.addPipe(stream, fd);
    if (this.#ownFds.stdin === undefined) return;
    this.#stdin = Stdin.ofPipe(this.#ownFds.stdin);
    this.#ownFds.stdin = undefined;
  }

  /** CloseIO: nobody will write input any more. */
  closeStdin(): void {
    if (this.#fifo) this.#fifo.closeIO();
    else this.#stdin?.close();
  }

  /** Nothing where there is no terminal, or no more: clients say their size whenever it changes. */
  resize(size: WindowSize): void {
    if (this.#console === undefined || this.#consoleStream?.destroyed) return;
    setWindowSize(this.#console, size);
  }

  /** The process has exited: resolves when its output is complete in logs and files and on its way to attached clients. */
  async exited(): Promise<void> {
    this.#fifo?.close();
    this.#copier.readEverything();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, AFTER_EXIT);
    });
    await Promise.race([this.#copier.drained(), late]);
    clearTimeout(timer);
    this.#stdin?.destroy();
    this.#stdin = undefined;
    this.#copier.close();
    this.#console = undefined;
    this.#attach?.finish();
  }

  /** Gives everything back; attached clients still get what was written for them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.#childFds.splice(0)) closeSync(fd);
    for (const [, fd] of this.#ownFds.outputs.splice(0)) closeSync(fd);
    if (this.#ownFds.stdin !== undefined) closeSync(this.#ownFds.stdin);
    this.#ownFds.stdin = undefined;
    this.#fifo?.close();
    this.#stdin?.destroy();
    this.#copier.close();
    for (const output of this.#outputs) output.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Resolves when no attached client is left. */
  async clientsGone(): Promise<void> {
    await this.#attach?.gone();
  }

  /** One socket and one log for all three names: they carry the same URI. */
  #openAttach(destinations: Destination[], complain: (message: string) => void): AttachServer | undefined {
    const found = destinations.find((destination) => destination.kind === 'attach');
    if (found?.kind !== 'attach') return undefined;
    if (found.log) this.#add(new JsonFileLog(found.log, complain));
    const attach = new AttachServer({ ...found, terminal: this.names.terminal }, () => this.#copier.changed());
    this.#add(attach);
    return attach;
  }

  /** Whether the shim takes this stream's output, or the descriptor that takes it without the shim. */
  #outputFor(destination: Destination, stream: OutputStream, logger: number | undefined): boolean | number {
    // A logger that got a pipe for a stream that goes elsewhere sees its end at once.
    if (logger !== undefined && destination.kind !== 'binary') closeSync(logger);
    switch (destination.kind) {
      case 'none':
        return false;
      case 'fifo':
        this.#add(
          only(
            stream,
            openFifoOutput(destination.path, () => this.#copier.changed()),
          ),
        );
        return true;
      case 'file':
        this.#add(only(stream, new FileOutput(destination.path)));
        return true;
      case 'binary':
        if (logger === undefined) return false;
        // A terminal's output passes through the shim, any other goes straight to the program.
        if (!this.names.terminal) return logger;
        this.#add(only(stream, new FifoOutput(logger, () => this.#copier.changed())));
        return true;
      case 'attach':
        return true;
    }
  }

  #add(output: Output): void {
    this.#outputs.add(output);
    this.#copier.addOutput(output);
  }

  #pipes(toStdout: boolean | number, toStderr: boolean | number): Stdio {
    const stdio = { stdin: -1, stdout: -1, stderr: -1 };
    if (this.names.stdin !== '') {
      [stdio.stdin, this.#ownFds.stdin] = createPipe();
    } else stdio.stdin = openSync('/dev/null', 'r');
    this.#childFds.push(stdio.stdin);
    stdio.stdout = this.#outputPipe(STDOUT, toStdout);
    stdio.stderr = this.#outputPipe(STDERR, toStderr);
    return stdio;
  }

  #outputPipe(stream: OutputStream, wanted: boolean | number): number {
    let fd: number;
    if (typeof wanted === 'number') fd = wanted;
    else if (wanted) {
      const [read, write] = createPipe();
      this.#ownFds.outputs.push([stream, read]);
      fd = write;
    } else fd = openSync('/dev/null', 'w');
    this.#childFds.push(fd);
    return fd;
  }
}

/** An output that takes one of the two streams. */
function only(stream: OutputStream, output: Output): Output {
  return {
    get full() {
      return output.full;
    },
    write: (from, chunk) => {
      if (from === stream) output.write(from, chunk);
    },
    end: (from) => {
      if (from === stream) output.end(from);
    },
    close: () => output.close(),
  };
}
