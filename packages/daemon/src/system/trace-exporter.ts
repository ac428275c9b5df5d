// Sends the spans of all layers to an OpenTelemetry collector, where the environment names one. It reads what the trace directory's file
// has grown by, so the other processes need not know: one exporter an engine. A collector that is away costs the spans of that time
// and a line in the log, never a request. Source: OTLP/HTTP with JSON, and the environment variables of OpenTelemetry's exporters.
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { exportRequest, monotonicToUnix } from '@berth/trace/otlp';
import { SPAN_FILE, type SpanRecord } from '@berth/trace/tracer';
import type { Logger } from 'pino';

/** Milliseconds between two looks at the file. */
const INTERVAL = 1000;
/** Bytes of spans a request. */
const BATCH = 1 << 20;
const TIMEOUT = 5000;

export interface Collector {
  url: string;
  headers: Record<string, string>;
}

/** The collector that the environment names, if it does. A protocol other than OTLP's JSON over HTTP is refused, not ignored. */
export function collectorFrom(environment: NodeJS.ProcessEnv): Collector | undefined {
  const own = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const common = environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!own && !common) return undefined;
  const protocol = environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? environment.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/json';
  if (protocol !== 'http/json') throw new Error(`OTEL_EXPORTER_OTLP_PROTOCOL ${protocol}: traces are sent by http/json; set it to that`);
  const url = own || `${common?.replace(/\/$/, '')}/v1/traces`;
  if (!URL.canParse(url)) throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT: ${url} is no URL; it looks like http://localhost:4318`);
  const pairs = (environment.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? environment.OTEL_EXPORTER_OTLP_HEADERS ?? '').split(',');
  const headers = Object.fromEntries(
    pairs.flatMap((pair) => {
      const at = pair.indexOf('=');
      return at > 0 ? [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]] : [];
    }),
  );
  return { url, headers };
}

export class TraceExporter implements AsyncDisposable {
  readonly #path: string;
  readonly #collector: Collector;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #file: FileHandle | undefined;
  #inode = 0;
  #position = 0;
  #running: Promise<void> | undefined;
  #away = false;

  constructor(directory: string, collector: Collector, log: Logger) {
    this.#path = join(directory, SPAN_FILE);
    this.#collector = collector;
    this.#log = log;
    this.#timer = setInterval(() => this.#export(), INTERVAL).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#export();
    await this.#file?.close();
  }

  /** One at a time. */
  #export(): Promise<void> {
    this.#running ??= this.#exportNew()
      .then(
        () => {
          this.#away = false;
        },
        (error) => {
          if (!this.#away) this.#log.warn({ err: error }, `traces are not sent: ${this.#collector.url} does not take them`);
          this.#away = true;
        },
      )
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #exportNew(): Promise<void> {
    // What was written to a file after it was turned over is still read: the old one stays open until it gives nothing more.
    for (let spans = await this.#read(); spans.length > 0; spans = await this.#read()) await this.#send(spans);
    if (!(await this.#turnedOver())) return;
    for (let spans = await this.#read(); spans.length > 0; spans = await this.#read()) await this.#send(spans);
  }

  /** The next whole lines. */
  async #read(): Promise<SpanRecord[]> {
    if (!this.#file) return [];
    const buffer = Buffer.allocUnsafe(BATCH);
    const { bytesRead } = await this.#file.read(buffer, 0, BATCH, this.#position);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    this.#position += end;
    const lines = buffer.toString('utf8', 0, end).split('\n');
    return lines.filter(Boolean).map((line) => JSON.parse(line) as SpanRecord);
  }

  /** Opens the file that now has the name, if it is another one. */
  async #turnedOver(): Promise<boolean> {
    const file = await open(this.#path, 'r').catch(() => undefined);
    if (!file) return false;
    const { ino } = await file.stat();
    if (ino === this.#inode) {
      await file.close();
      return false;
    }
    await this.#file?.close();
    this.#file = file;
    this.#inode = ino;
    this.#position = 0;
    return true;
  }

  async #send(spans: readonly SpanRecord[]): Promise<void> {
    const response = await fetch(this.#collector.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#collector.headers },
      body: JSON.stringify(exportRequest(spans, monotonicToUnix())),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`the collector answered ${response.status}`);
  }
}
