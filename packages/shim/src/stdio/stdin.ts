// The writing end of a process' standard input: a pipe, or its terminal's master.
import { Socket } from 'node:net';

export class Stdin {
  readonly #stream: Socket;
  readonly #terminal: boolean;

  private constructor(stream: Socket, terminal: boolean) {
    this.#stream = stream;
    this.#terminal = terminal;
    // EPIPE: the process closed its end. Input is dropped then, as a terminal's is when nobody reads.
    stream.on('error', () => {});
  }

  /** `closed` is called once the descriptor is given back. */
  static ofPipe(fd: number, closed: () => void = () => {}): Stdin {
    return new Stdin(new Socket({ fd, readable: false, writable: true }).once('close', closed), false);
  }

  static ofTerminal(stream: Socket): Stdin {
    return new Stdin(stream, true);
  }

  /** Passes on what `source` reads, no faster than the process takes it. */
  feed(source: Socket, chunk: Buffer): void {
    if (!this.#stream.writable || this.#stream.write(chunk)) return;
    source.pause();
    const resume = () => {
      this.#stream.off('drain', resume).off('close', resume);
      source.resume();
    };
    this.#stream.on('drain', resume).on('close', resume);
  }

  /** End of input. A terminal has none: its line discipline makes one of Ctrl-D. */
  close(): void {
    if (!this.#terminal) this.#stream.end();
  }

  /** Gives the descriptor back at once. */
  destroy(): void {
    this.#stream.destroy();
  }
}
