// `POST /containers/{id}/update`: limits and restart policy, of a running container at once.
import type { HostConfig, Resources, RestartPolicy } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import { packJson, RESOURCES_TYPE } from '@berth/rpc/any';
import type { Span } from '@berth/trace/tracer';
import { traced } from '../lifecycle/lifecycle.ts';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { linuxResources } from './spec/resources.ts';
import { checkResources, checkRestartPolicy } from './validate.ts';

/** What can be changed; 0, '' and null leave a value as it is. */
const CHANGEABLE = [
  'CpuShares',
  'Memory',
  'NanoCpus',
  'BlkioWeight',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpusetCpus',
  'CpusetMems',
  'MemoryReservation',
  'MemorySwap',
  'PidsLimit',
] as const satisfies readonly (keyof Resources)[];

export async function updateContainer(
  context: ContainerContext,
  container: Container,
  request: Resources & { RestartPolicy?: RestartPolicy },
  span: Span,
): Promise<void> {
  await container.lock.run(async () => {
    const { hostConfig, state } = container.record;
    if (state.phase === 'removing' || state.phase === 'dead') {
      throw new EngineError('Conflict', `Cannot update container ${container.id}: container is marked for removal and cannot be "update"`, {
        layer: 'daemon',
      });
    }
    const changes = Object.fromEntries(CHANGEABLE.flatMap((key) => (request[key] ? [[key, request[key]]] : []))) as Partial<HostConfig>;
    const merged: HostConfig = { ...hostConfig, ...changes };
    if (changes.NanoCpus) Object.assign(merged, { CpuPeriod: 0, CpuQuota: 0 });
    else if (changes.CpuPeriod || changes.CpuQuota) merged.NanoCpus = 0;
    const policy = request.RestartPolicy?.Name ? request.RestartPolicy : undefined;
    checkResources(merged);
    if (policy) checkRestartPolicy(policy, hostConfig.AutoRemove === true);
    if (container.running && Object.keys(changes).length > 0) {
      const resources = packJson(RESOURCES_TYPE, linuxResources(merged));
      await context.lifecycle.tasks.update({ containerId: container.id, resources }, traced(span));
    }
    Object.assign(hostConfig, merged, policy ? { RestartPolicy: { MaximumRetryCount: 0, ...policy } } : {});
    container.save();
    emitContainerEvent(context, container, 'update');
  });
}
