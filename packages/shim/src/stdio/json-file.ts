// Docker's json-file log, written by the shim itself: no daemon is needed for a line to be kept. One line of JSON an entry:
// {"log":"…\n","stream":"stdout","time":"…Z"}. Rotation renames x.log to x.log.1 and so on, as Docker's driver does.
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatWallTime, wallTime } from '@berth/sys/clock';
import { LineSplitter } from './line-splitter.ts';
import { type Output, type OutputStream, STDERR, STDOUT } from './output.ts';
import type { JsonFileOptions } from './uri.ts';

export class JsonFileLog implements Output {
  /** Files take whatever comes. */
  readonly full = false;
  readonly #options: JsonFileOptions;
  readonly #complain: (message: string) => void;
  readonly #splitters: Record<OutputStream, LineSplitter>;
  readonly #suffix: string;
  #fd: number;
  #size: number;
  #batch = '';
  #failed = false;

  /** `complain` takes one line for people, once, when the disk refuses. */
  constructor(options: JsonFileOptions, complain: (message: string) => void) {
    this.#options = options;
    this.#complain = complain;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o710 });
    this.#fd = openSync(options.path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
    this.#suffix = options.attributes ? `"attrs":${JSON.stringify(options.attributes)},` : '';
    this.#splitters = {
      [STDOUT]: new LineSplitter((piece) => this.#entry('stdout', piece)),
      [STDERR]: new LineSplitter((piece) => this.#entry('stderr', piece)),
    };
  }

  write(stream: OutputStream, chunk: Buffer): void {
    this.#splitters[stream].push(chunk);
    this.#flush();
  }

  end(stream: OutputStream): void {
    this.#splitters[stream].flush();
    this.#flush();
  }

  close(): void {
    if (this.#fd < 0) return;
    this.end(STDOUT);
    this.end(STDERR);
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #entry(stream: string, piece: Buffer): void {
    this.#batch += `{"log":${encode(piece)},"stream":"${stream}",${this.#suffix}"time":"${formatWallTime(wallTime())}"}\n`;
    // A file may exceed its size by what arrives at once, but not by many lines of it.
    if (this.#options.maxSize !== undefined && this.#size + this.#batch.length >= this.#options.maxSize) this.#flush();
  }

  /** One write for all entries of a chunk. The disk's refusal costs the entries, never the container. */
  #flush(): void {
    if (this.#batch === '' || this.#fd < 0) return;
    const bytes = Buffer.from(this.#batch);
    this.#batch = '';
    try {
      if (this.#options.maxSize !== undefined && this.#size > 0 && this.#size + bytes.length > this.#options.maxSize) this.#rotate();
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
      this.#size += bytes.length;
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#complain(`log ${this.#options.path}: ${(error as Error).message}; output is lost until this is repaired`);
      this.#failed = true;
    }
  }

  #rotate(): void {
    const { path, maxFile } = this.#options;
    const fresh = maxFile > 1 ? 'a' : 'w';
    if (maxFile > 1) {
      rmSync(`${path}.${maxFile - 1}`, { force: true });
      for (let number = maxFile - 2; number >= 1; number--) renameIfThere(`${path}.${number}`, `${path}.${number + 1}`);
      renameIfThere(path, `${path}.1`);
    }
    const next = openSync(path, fresh, 0o640);
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = 0;
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const ESCAPES: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026', '\u2028': '\\u2028', '\u2029': '\\u2029' };

/** As Go's encoding/json writes a string; bytes that are not UTF-8 become U+FFFD. */
function encode(piece: Buffer): string {
  return JSON.stringify(piece.toString('utf8')).replace(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] as string);
}
