// The trace context that travels with every request: W3C Trace Context's `traceparent`, as an HTTP header, as gRPC metadata
// and as ttrpc metadata under the same name (https://www.w3.org/TR/trace-context/#traceparent-header).
import { Identifiers } from './identifiers.ts';

export const TRACEPARENT = 'traceparent';

export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits: the span that caused what happens next. */
  readonly spanId: string;
}

const PATTERN = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/;

/** The context of a header, or undefined for one that is missing or malformed (the specification says: start anew). */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const match = header === undefined ? null : PATTERN.exec(header);
  if (!match?.[1] || !match[2] || /^0+$/.test(match[1]) || /^0+$/.test(match[2])) return undefined;
  return { traceId: match[1], spanId: match[2] };
}

export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-01`;
}

/** The first span of a trace that begins here. */
export function newTraceContext(): TraceContext {
  const identifiers = new Identifiers();
  return { traceId: identifiers.traceId(), spanId: identifiers.spanId() };
}
