// The unary methods of a service, called from the process that serves it with the same types as from anywhere else. Each message passes
// through its encoding, so that what a caller left out has its default and nobody shares an object with anybody.
import type { CallOptions, ServiceClient } from './grpc/client.ts';
import { LEASE, NAMESPACE } from './grpc/metadata.ts';
import type { Call, Implementation } from './ttrpc/server.ts';
import type { MethodType, ServiceType } from './wire/message.ts';

// biome-ignore lint/suspicious/noExplicitAny: matches every method
type AnyMethod = MethodType<any, any>;

export type UnaryClient<S extends ServiceType> = {
  readonly [Name in keyof S['methods'] as S['methods'][Name] extends { requestStream: false; responseStream: false }
    ? Name
    : never]: ServiceClient<S>[Name];
};

/** Errors are the implementation's own. */
export function loopback<S extends ServiceType>(service: S, implementation: Implementation<S>): UnaryClient<S> {
  const methods: Record<string, unknown> = {};
  for (const [key, method] of Object.entries(service.methods)) {
    if (method.requestStream || method.responseStream) continue;
    const handle = implementation[key] as (request: unknown, call: Call) => unknown;
    methods[key] = (request: unknown, options: CallOptions = {}) => callOf(method, handle.bind(implementation), request, options);
  }
  return methods as UnaryClient<S>;
}

async function callOf(
  method: AnyMethod,
  handle: (request: unknown, call: Call) => unknown,
  request: unknown,
  { namespace, lease, trace, timeout, signal, metadata: more = {} }: CallOptions,
): Promise<unknown> {
  const metadata = new Map(Object.entries(more));
  if (namespace) metadata.set(NAMESPACE, namespace);
  if (lease) metadata.set(LEASE, lease);
  if (trace) metadata.set('traceparent', trace);
  const signals = [signal, timeout === undefined ? undefined : AbortSignal.timeout(timeout)].filter((each) => each !== undefined);
  const call: Call = { method: method.name, metadata, signal: AbortSignal.any(signals) };
  return method.response.decode(method.response.encode(await handle(method.request.decode(method.request.encode(request)), call)));
}
