// The gRPC face of the service itself: containerd.services.version.v1.Version and grpc.health.v1.Health.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Version } from '@berth/rpc/gen/containerd/services/version/v1/version';
import { type Health, HealthCheckResponse_ServingStatus } from '@berth/rpc/gen/grpc/health/v1';
import type { Implementation } from '@berth/rpc/ttrpc/server';

export function versionService(version: string, revision: string): Implementation<typeof Version> {
  return { version: () => ({ version, revision }) };
}

/** `services` are the full names that can be asked for one by one; the empty name is the whole server. */
export function healthService(services: ReadonlySet<string>): Implementation<typeof Health> {
  const { SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
  const known = (service: string) => service === '' || services.has(service);
  return {
    check({ service }) {
      if (!known(service)) throw new EngineError('NotFound', `unknown service "${service}"`, { layer: 'lifecycle' });
      return { status: SERVING };
    },
    async *watch({ service }, call) {
      yield { status: known(service) ? SERVING : SERVICE_UNKNOWN };
      const { signal } = call;
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  };
}
