// A call's span. Only calls that belong to a trace are recorded: those that bring a `traceparent`.
import type { Call } from '@berth/rpc/ttrpc/server';
import { parseTraceparent, TRACEPARENT } from '@berth/trace/context';
import type { Span, Tracer } from '@berth/trace/tracer';

export async function traced<T>(tracer: Tracer, name: string, call: Call, body: (span: Span | undefined) => Promise<T>): Promise<T> {
  const parent = parseTraceparent(call.metadata.get(TRACEPARENT));
  if (!parent) return body(undefined);
  using span = tracer.start(name, parent);
  try {
    return await body(span);
  } catch (error) {
    span.fail(error);
    throw error;
  }
}
