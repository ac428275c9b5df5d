// Copies what a process writes (pipes, or its terminal) to every output. It reads only while no output is full: a pipe that
// nobody empties is what holds a process up.
import { Socket } from 'node:net';
import { ReadStream } from 'node:tty';
import { type Output, type OutputStream, STDOUT } from './output.ts';

/** One buffer for every read of this process: outputs keep no reference to it. */
const MEMORY_SIZE = 64 * 1024;
let memory: Buffer | undefined;

export class Copier {
  readonly #outputs: Output[] = [];
  readonly #sources = new Set<Socket>();
  #paused = false;
  #everything = false;
  #onDrained: (() => void) | undefined;

  /** Outputs are added before sources. */
  addOutput(output: Output): void {
    this.#outputs.push(output);
  }

  /** Reads a pipe's end until its writers are gone. The descriptor is the copier's from here on. */
  addPipe(stream: OutputStream, fd: number): void {
    const onread = this.#onread(stream);
    this.#follow(stream, new Socket({ fd, readable: true, writable: false, onread } as ConstructorParameters<typeof Socket>[0]));
  }

  /** Reads a terminal's master; the stream that is returned also writes to it. */
  addTerminal(fd: number): Socket {
    // ReadStream hands its options on to Socket, which the types do not tell.
    const terminal = new ReadStream(fd, { onread: this.#onread(STDOUT) } as ConstructorParameters<typeof ReadStream>[1]);
    this.#follow(STDOUT, terminal);
    return terminal;
  }

  /** To be called whenever an output's `full` changes. */
  changed(): void {
    const pause = !this.#everything && this.#outputs.some((output) => output.full);
    if (pause === this.#paused) return;
    this.#paused = pause;
    for (const source of this.#sources) {
      if (pause) source.pause();
      else source.resume();
    }
  }

  /** The process is gone: what it wrote is read to the end, however full outputs are. */
  readEverything(): void {
    this.#everything = true;
    this.changed();
  }

  /** Resolves once every source has ended. */
  drained(): Promise<void> {
    if (this.#sources.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /** Stops reading, whoever still writes. */
  close(): void {
    for (const source of [...this.#sources]) source.destroy();
  }

  #onread(stream: OutputStream) {
    memory ??= Buffer.allocUnsafeSlow(MEMORY_SIZE);
    const shared = memory;
    return {
      buffer: shared,
      callback: (length: number): boolean => {
        const chunk = shared.subarray(0, length);
        for (const output of this.#outputs) output.write(stream, chunk);
        this.changed();
        return !this.#paused;
      },
    };
  }

  #follow(stream: OutputStream, source: Socket): void {
    this.#sources.add(source);
    const ended = () => {
      if (!this.#sources.delete(source)) return;
      source.destroy();
      for (const output of this.#outputs) output.end(stream);
      if (this.#sources.size === 0) this.#onDrained?.();
    };
    // A terminal whose last user is gone says EIO instead of ending.
    source.on('end', ended).on('error', ended).on('close', ended);
    if (this.#paused) source.pause();
    else source.resume();
  }
}
