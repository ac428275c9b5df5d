// JSON lines over an inherited socket with blocking calls: the zygote has no event loop to wait in.
import { readSync, writeSync } from 'node:fs';
import { waitReadable } from '@berth/sys/pipe';

const FOR_EVER = -1;

export class LineSocket {
  readonly #fd: number;
  #text = '';

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The next message; undefined when the other side is gone. */
  read(): unknown {
    const chunk = Buffer.allocUnsafe(16 * 1024);
    for (let newline = this.#text.indexOf('\n'); ; newline = this.#text.indexOf('\n')) {
      if (newline >= 0) {
        const line = this.#text.slice(0, newline);
        this.#text = this.#text.slice(newline + 1);
        return JSON.parse(line);
      }
      waitReadable(this.#fd, FOR_EVER);
      const length = this.#tryRead(chunk);
      if (length === 0) return undefined;
      this.#text += chunk.toString('utf8', 0, length);
    }
  }

  write(message: unknown): void {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
  }

  #tryRead(chunk: Buffer): number {
    try {
      return readSync(this.#fd, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return 0;
      throw error;
    }
  }
}
