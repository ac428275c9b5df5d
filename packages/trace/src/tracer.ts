// Spans: a name, a layer, a start and an end on the machine's monotonic clock, which all processes of one host share,
// so that spans of five processes fall into one waterfall. The model is OpenTelemetry's (trace id, span id, parent, attributes).
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { newSpanId, newTraceId, type TraceContext } from './context.ts';

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
}

/** Forgets every span. */
export const discard: SpanSink = { write() {} };

/** One file a trace, `<directory>/<trace id>.jsonl`; O_APPEND keeps the lines of several processes whole. */
export class TraceDirectory implements SpanSink {
  readonly directory: string;
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.directory = directory;
  }
  write(span: SpanRecord): void {
    try {
      appendFileSync(join(this.directory, `${span.traceId}.jsonl`), `${JSON.stringify(span)}\n`);
    } catch {
      // A trace is a help for people: a full disk must not fail the request that it describes.
    }
  }
}

export class Span implements Disposable {
  readonly context: TraceContext;
  readonly #tracer: Tracer;
  readonly #record: SpanRecord;
  #ended = false;

  constructor(tracer: Tracer, name: string, parent: TraceContext | undefined) {
    this.#tracer = tracer;
    this.context = { traceId: parent?.traceId ?? newTraceId(), spanId: newSpanId() };
    this.#record = { ...this.context, layer: tracer.layer, name, startNs: Number(process.hrtime.bigint()), endNs: 0 };
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

  child(name: string): Span {
    return this.#tracer.start(name, this.context);
  }

  /** Runs `body` in a child span; an error ends the span and is thrown on. */
  during<T>(name: string, body: (span: Span) => T): T {
    const span = this.child(name);
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
    this.#tracer.sink.write({ traceId, spanId: newSpanId(), parentSpanId: spanId, layer: this.#tracer.layer, name, startNs, endNs });
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
  constructor(layer: string, sink: SpanSink) {
    this.layer = layer;
    this.sink = sink;
  }
  start(name: string, parent?: TraceContext): Span {
    return new Span(this, name, parent);
  }
}
