// `GET /containers/{id}/logs`: reads the json-file log that the shim writes, oldest line first, the last lines only (`tail`), and
// what is added while it is read (`follow`). Rotated files are x.1 (newest) … x.N (oldest).
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeFrame, STREAM } from '@berth/api/stdcopy';
import { EngineError } from '@berth/errdefs/engine-error';
import { formatTime, parseTime } from '../state/clock.ts';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { tailStart } from './logging/log-tail.ts';

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** The last lines; undefined: all. */
  readonly tail: number | undefined;
  /** Nanoseconds since the epoch. */
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
}

export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  /** With its newline, where it had one. */
  readonly text: string;
  readonly moment: bigint;
  readonly attributes: Readonly<Record<string, string>> | undefined;
}

const CHUNK = 256 << 10;
/** A follower looks again after this time even if no notification came, ms. */
const POLL = 1_000;

/** Throws for a container whose log nobody can read. */
export async function* readLog(
  _context: ContainerContext,
  container: Container,
  options: LogOptions,
  signal?: AbortSignal,
): AsyncGenerator<LogEntry> {
  const { logPath } = container.record;
  if (logPath === '') {
    throw new EngineError('NotImplemented', 'configured logging driver does not support reading', { layer: 'daemon' });
  }
  const wanted = (entry: LogEntry) =>
    (entry.stream === 'stdout' ? options.stdout : options.stderr) && (options.since === undefined || entry.moment >= options.since);
  const past = (entry: LogEntry) => options.until !== undefined && entry.moment > options.until;

  const files = rotatedFiles(logPath);
  const from =
    options.tail === undefined
      ? { file: 0, offset: 0 }
      : await tailStart(files, options.tail, (line) => {
          const entry = parseEntry(line);
          return entry !== undefined && wanted(entry) && !past(entry);
        });
  // Lines that are written meanwhile are not among the last ones that were asked for.
  let left = options.follow ? Number.POSITIVE_INFINITY : (options.tail ?? Number.POSITIVE_INFINITY);
  for (const [index, path] of files.entries()) {
    if (index < from.file) continue;
    const live = path === logPath;
    const lines = new LogFile(path, index === from.file ? from.offset : 0);
    for await (const line of live && options.follow ? follow(lines, container, logPath, signal) : lines.rest()) {
      const entry = parseEntry(line);
      if (!entry || !wanted(entry)) continue;
      if (past(entry) || left-- <= 0) return;
      yield entry;
    }
  }
}

/** Oldest first; the live file is last, whether it exists or not. */
function rotatedFiles(logPath: string): string[] {
  const older: string[] = [];
  for (let number = 1; existsSync(`${logPath}.${number}`); number++) older.unshift(`${logPath}.${number}`);
  return [...older, logPath];
}

/** Lines of one file from an offset on; a last line without its newline is left for later. */
class LogFile {
  readonly path: string;
  #offset: number;
  #handle: FileHandle | undefined;
  #rest = Buffer.alloc(0);

  constructor(path: string, offset: number) {
    this.path = path;
    this.#offset = offset;
  }

  async *rest(): AsyncGenerator<Buffer> {
    try {
      yield* this.more();
    } finally {
      await this.close();
    }
  }

  /** What has come since the last call. */
  async *more(): AsyncGenerator<Buffer> {
    this.#handle ??= await open(this.path).catch(() => undefined);
    if (!this.#handle) return;
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (;;) {
      const { bytesRead } = await this.#handle.read(chunk, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)]) : chunk.subarray(0, bytesRead);
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        yield data.subarray(0, end);
        data = data.subarray(end + 1);
      }
      this.#rest = Buffer.from(data);
    }
  }

  /** Whether the name now stands for another file: the log was rotated. */
  async replaced(): Promise<boolean> {
    if (!this.#handle) return false;
    const current = await open(this.path).catch(() => undefined);
    if (!current) return false;
    try {
      return (await current.stat()).ino !== (await this.#handle.stat()).ino;
    } finally {
      await current.close();
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

/** Ends when the container has ended and everything was read, or the client has gone. */
async function* follow(first: LogFile, container: Container, logPath: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let file = first;
  const changes = new Changes(dirname(logPath));
  const wake = () => changes.notify();
  container.signals.on('exit', wake);
  container.signals.on('removed', wake);
  signal?.addEventListener('abort', wake);
  try {
    while (!signal?.aborted) {
      const live = container.running || container.restarting || container.record.state.phase === 'created';
      yield* file.more();
      if (await file.replaced()) {
        // What was written between the last read and the rotation.
        yield* file.more();
        await file.close();
        file = new LogFile(logPath, 0);
        continue;
      }
      if (!live || container.record.state.phase === 'created') return;
      await changes.next(POLL);
    }
  } finally {
    container.signals.off('exit', wake);
    container.signals.off('removed', wake);
    signal?.removeEventListener('abort', wake);
    changes.close();
    await file.close();
  }
}

/** Changes in a directory, merged: any number of them between two looks are one. */
class Changes {
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(directory: string) {
    try {
      this.#watcher = watch(directory, () => this.notify());
      this.#watcher.on('error', () => {});
    } catch {
      // Out of inotify watches: the poll does it.
    }
  }

  notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  async next(patience: number): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patience);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

/** Undefined for a line that is damaged (the disk was full, the machine lost power). */
function parseEntry(line: Buffer): LogEntry | undefined {
  try {
    const { log, stream, time, attrs } = JSON.parse(line.toString('utf8')) as {
      log?: string;
      stream?: string;
      time?: string;
      attrs?: Record<string, string>;
    };
    if (typeof time !== 'string') return undefined;
    return { text: log ?? '', stream: stream === 'stderr' ? 'stderr' : 'stdout', moment: parseTime(time), attributes: attrs };
  } catch {
    return undefined;
  }
}

/** An entry as it goes to the client: with its prefixes, in a frame unless the container has a terminal. */
export function frameEntry(entry: LogEntry, options: { terminal: boolean; timestamps: boolean; details: boolean }): Buffer {
  const time = options.timestamps ? `${paddedTime(entry.moment)} ` : '';
  const pairs = Object.entries(entry.attributes ?? {}).map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  const details = options.details ? `${pairs.join(',')} ` : '';
  const payload = Buffer.from(`${time}${details}${entry.text}`);
  return options.terminal ? payload : encodeFrame(entry.stream === 'stderr' ? STREAM.stderr : STREAM.stdout, payload);
}

/** All nine digits, so that the columns of a log stand below each other. */
function paddedTime(moment: bigint): string {
  const text = formatTime(moment);
  const [seconds = '', fraction = ''] = text.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}
