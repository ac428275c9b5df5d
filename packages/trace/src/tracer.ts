// Spans: a name, a layer, a start and an end on the machine's monotonic clock, which all processes of one host share,
// so that spans of five processes fall into one waterfall. The model is OpenTelemetry's (trace id, span id, parent, attributes).
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceContext } from './context.ts';
import { Identifiers } from './identifiers.ts';

/** One finished span, as a line of JSON in a trace file. */
export interface SpanRecord {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  /** cli, daemon, network, lifecycle, shim, runtime. */
  layer: string;
  name: string;
  /** Nanoseconds on CLOCK_MONOTONIC. */
  startNs: number;
  endNs: number;
  attributes?: Record<string, string | number | boolean>;
  /** The message of the error that ended the span. */
  error?: string;
}

/** Where finished spans go. */
export interface SpanSink {
  write(span: SpanRecord): void;
  /** Before the process ends: nothing waits any longer. */
  flush(): void;
}

/** Forgets every span. */
export const discard: SpanSink = { write() {}, flush() {} };

/** Spans wait this long, ms, so that a busy process writes many at once and none while a request waits. */
export const FLUSH_AFTER = 100;
export const SPAN_FILE = 'spans.jsonl';

/** The directory that all layers of one engine share: one file, which grows by whole lines (O_APPEND) of several processes. */
export class TraceDirectory implements SpanSink {
  readonly directory: string;
  #waiting: SpanRecord[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.directory = directory;
  }

  write(span: SpanRecord): void {
    this.#waiting.push(span);
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_AFTER).unref();
  }

  /** Writes what waits; before the process ends, and before somebody reads. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = withoutLoneRequests(this.#waiting);
    this.#waiting = [];
    if (spans.length === 0) return;
    try {
      appendFileSync(join(this.directory, SPAN_FILE), spans.map((span) => `${JSON.stringify(span)}\n`).join(''));
    } catch {
      // A trace is a help for people: a full disk must not fail the request that it describes.
    }
  }
}

/** A request that caused nothing and that nobody traces from outside (a ping, a listing) is not worth a line. */
function withoutLoneRequests(spans: readonly SpanRecord[]): SpanRecord[] {
  const counts = new Map<string, number>();
  for (const { traceId } of spans) counts.set(traceId, (counts.get(traceId) ?? 0) + 1);
  return spans.filter((span) => span.parentSpanId !== undefined || (counts.get(span.traceId) ?? 0) > 1);
}

export class Span implements Disposable {
  readonly context: TraceContext;
  readonly #tracer: Tracer;
  readonly #record: SpanRecord;
  #ended = false;

  constructor(tracer: Tracer, layer: string, name: string, parent: TraceContext | undefined) {
    this.#tracer = tracer;
    this.context = { traceId: parent?.traceId ?? tracer.identifiers.traceId(), spanId: tracer.identifiers.spanId() };
    this.#record = { ...this.context, layer, name, startNs: Number(process.hrtime.bigint()), endNs: 0 };
    if (parent) this.#record.parentSpanId = parent.spanId;
  }

  set(key: string, value: string | number | boolean): this {
    this.#record.attributes ??= {};
    this.#record.attributes[key] = value;
    return this;
  }

  fail(error: unknown): this {
    this.#record.error = error instanceof Error ? error.message : String(error);
    return this;
  }

  /** A library that is a layer of its own, such as the runtime in a shim, says so; else a child is of its parent's layer. */
  child(name: string, layer = this.#record.layer): Span {
    return new Span(this.#tracer, layer, name, this.context);
  }

  /** Runs `body` in a child span; an error ends the span and is thrown on. */
  during<T>(name: string, body: (span: Span) => T, layer?: string): T {
    const span = this.child(name, layer);
    let result: T;
    try {
      result = body(span);
    } catch (error) {
      span.fail(error).end();
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        (value) => {
          span.end();
          return value;
        },
        (error) => {
          span.fail(error).end();
          throw error;
        },
      ) as T;
    }
    span.end();
    return result;
  }

  /** A child span that another process timed; nanoseconds of CLOCK_MONOTONIC. */
  record(name: string, startNs: number, endNs: number): void {
    const { traceId, spanId } = this.context;
    const { sink, identifiers } = this.#tracer;
    sink.write({ traceId, spanId: identifiers.spanId(), parentSpanId: spanId, layer: this.#record.layer, name, startNs, endNs });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#record.endNs = Number(process.hrtime.bigint());
    this.#tracer.sink.write(this.#record);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

export class Tracer {
  readonly layer: string;
  readonly sink: SpanSink;
  readonly identifiers = new Identifiers();

  constructor(layer: string, sink: SpanSink) {
    this.layer = layer;
    this.sink = sink;
  }
  start(name: string, parent?: TraceContext): Span {
    return new Span(this, this.layer, name, parent);
  }
}
