// Spans in OpenTelemetry's own form: an ExportTraceServiceRequest of OTLP, in its JSON encoding (ids in hex, 64-bit numbers as strings).
// What `berth trace --format otlp` prints and what berthd sends to a collector. Source: opentelemetry-proto trace/v1, OTLP specification.
import type { SpanRecord } from './tracer.ts';

interface Attribute {
  key: string;
  value: { stringValue: string } | { boolValue: boolean } | { intValue: string } | { doubleValue: number };
}

export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** SPAN_KIND_INTERNAL or SPAN_KIND_SERVER. */
  kind: 1 | 2;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  /** STATUS_CODE_ERROR; left out where all went well. */
  status?: { code: 2; message: string };
}

export interface ExportTraceServiceRequest {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { scope: { name: string }; spans: OtlpSpan[] }[] }[];
}

/** Nanoseconds from CLOCK_MONOTONIC to the Unix epoch; exact to some microseconds. */
export function monotonicToUnix(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n - process.hrtime.bigint();
}

/** One resource a layer, named `berth.<layer>`, so that a collector's service map shows the seams. */
export function exportRequest(spans: readonly SpanRecord[], offset: bigint): ExportTraceServiceRequest {
  const layers = Map.groupBy(spans, ({ layer }) => layer);
  return {
    resourceSpans: [...layers].map(([layer, own]) => ({
      resource: { attributes: [attribute('service.namespace', 'berth'), attribute('service.name', `berth.${layer}`)] },
      scopeSpans: [{ scope: { name: 'berth' }, spans: own.map((span) => otlpSpan(span, offset)) }],
    })),
  };
}

function otlpSpan(span: SpanRecord, offset: bigint): OtlpSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: span.parentSpanId === undefined ? 2 : 1,
    startTimeUnixNano: String(BigInt(span.startNs) + offset),
    endTimeUnixNano: String(BigInt(span.endNs) + offset),
    attributes: Object.entries(span.attributes ?? {}).map(([key, value]) => attribute(key, value)),
    ...(span.error === undefined ? {} : { status: { code: 2, message: span.error } }),
  };
}

function attribute(key: string, value: string | number | boolean): Attribute {
  if (typeof value === 'string') return { key, value: { stringValue: value } };
  if (typeof value === 'boolean') return { key, value: { boolValue: value } };
  return { key, value: Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
}
