// The spans that all layers write into the trace directory, read back for one trace. The file is turned over when it has grown,
// so that a busy host does not fill its memory.
import { renameSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FLUSH_AFTER, SPAN_FILE, type SpanRecord, type TraceDirectory } from '@berth/trace/tracer';

/** Bytes after which the file becomes the old one, and the old one goes: some ten thousand starts. */
const LARGEST = 16 << 20;
const OLD_FILE = 'spans.old.jsonl';
const INTERVAL = 60_000;

export class TraceFiles implements Disposable {
  readonly #own: TraceDirectory;
  readonly #timer: NodeJS.Timeout;

  constructor(own: TraceDirectory) {
    this.#own = own;
    this.#timer = setInterval(() => this.#turnOver(), INTERVAL).unref();
  }

  /** The spans of a trace, by their start; none when it was cleared away. */
  async read(traceId: string): Promise<SpanRecord[]> {
    this.#own.flush();
    const spans = await this.#find(traceId);
    const newest = Math.max(0, ...spans.map((span) => span.endNs));
    // The other processes may still hold the last ones back.
    if (Number(process.hrtime.bigint()) - newest > 2e6 * FLUSH_AFTER) return spans;
    await delay(2 * FLUSH_AFTER);
    return this.#find(traceId);
  }

  async #find(traceId: string): Promise<SpanRecord[]> {
    const texts = await Promise.all([OLD_FILE, SPAN_FILE].map((name) => readFile(join(this.#own.directory, name), 'utf8').catch(() => '')));
    const lines = texts.flatMap((text) => text.split('\n')).filter((line) => line.includes(traceId));
    return lines.map((line) => JSON.parse(line) as SpanRecord).sort((a, b) => a.startNs - b.startNs);
  }

  #turnOver(): void {
    const file = join(this.#own.directory, SPAN_FILE);
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LARGEST) renameSync(file, join(this.#own.directory, OLD_FILE));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#own.flush();
  }
}
