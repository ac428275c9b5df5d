// file: URIs: output appended to a plain file.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Output, OutputStream } from './output.ts';

export class FileOutput implements Output {
  readonly full = false;
  #fd: number;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    this.#fd = openSync(path, 'a', 0o644);
  }

  write(_stream: OutputStream, chunk: Buffer): void {
    if (this.#fd < 0) return;
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at);
    } catch {
      // A full disk must not end the container; what does not fit is lost, as it is with any append-only log.
    }
  }

  end(): void {}

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
