// What the local volumes of a container tell at its start and after its end; those of plugins tell when the plugin has mounted them.
import type { Container, ContainerMount } from '../container.ts';
import type { ContainerContext } from '../context.ts';

export function emitMounted(context: ContainerContext, container: Container): void {
  for (const { Name = '', Destination, RW, Propagation } of localVolumes(container)) {
    const place = { container: container.id, destination: Destination, 'read/write': String(RW), propagation: Propagation };
    context.events.emit('volume', 'mount', Name, { driver: 'local', ...place });
  }
}

export function emitUnmounted(context: ContainerContext, container: Container): void {
  for (const { Name = '' } of localVolumes(container)) {
    context.events.emit('volume', 'unmount', Name, { driver: 'local', container: container.id });
  }
}

function localVolumes(container: Container): ContainerMount[] {
  return container.record.mounts.filter(
    ({ Type, Name, Driver = 'local' }) => Type === 'volume' && Name !== undefined && Driver === 'local',
  );
}
