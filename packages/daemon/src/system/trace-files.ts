// The trace directory that all layers write to: one file a trace. Old traces go, so that a busy host does not fill it.
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpanRecord } from '@berth/trace/tracer';

/** Traces that are kept; twice as many start a clearing. */
const KEPT = 1_000;
const INTERVAL = 60_000;

export class TraceFiles implements Disposable {
  readonly #directory: string;
  readonly #timer: NodeJS.Timeout;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#timer = setInterval(() => this.#clear(), INTERVAL).unref();
  }

  /** The spans of a trace, by their start; none when it was cleared away. */
  async read(traceId: string): Promise<SpanRecord[]> {
    const text = await readFile(join(this.#directory, `${traceId}.jsonl`), 'utf8').catch(() => '');
    const spans = text.split('\n').flatMap((line): SpanRecord[] => {
      try {
        return line === '' ? [] : [JSON.parse(line) as SpanRecord];
      } catch {
        // A line that is being written.
        return [];
      }
    });
    return spans.sort((a, b) => a.startNs - b.startNs);
  }

  #clear(): void {
    const names = readdirSync(this.#directory);
    if (names.length < 2 * KEPT) return;
    const byAge = names
      .map((name) => ({ name, age: statSync(join(this.#directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => b.age - a.age);
    for (const { name } of byAge.slice(KEPT)) rmSync(join(this.#directory, name), { force: true });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
