// On whose behalf a gRPC call is made, out of its metadata.
import { EngineError } from '@berth/errdefs/engine-error';
import { LEASE, NAMESPACE } from '@berth/rpc/grpc/metadata';
import type { Call } from '@berth/rpc/ttrpc/server';
import { validateIdentifier } from '../metadata/identifier.ts';
import type { Scope } from '../metadata/scope.ts';

/** In containerd's words: FailedPrecondition for a call without a namespace, InvalidArgument for one that cannot be. */
export function namespaceOf(call: Call): string {
  const namespace = call.metadata.get(NAMESPACE);
  if (!namespace) throw new EngineError('FailedPrecondition', 'namespace is required: failed precondition', { layer: 'lifecycle' });
  validateIdentifier(namespace, 'namespace validation: ');
  return namespace;
}

export function scopeOf(call: Call): Scope {
  const namespace = namespaceOf(call);
  const lease = call.metadata.get(LEASE);
  return lease ? { namespace, lease } : { namespace };
}
