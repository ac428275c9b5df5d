// Volumes of plugins are mounted by their plugin before a container starts and unmounted after it has ended; in between the mount's
// source is where the plugin put it. (Local volumes need neither.)
import { randomBytes } from 'node:crypto';
import type { HostConfig } from '@berth/api/host-config';
import type { Container, ContainerMount } from './container.ts';
import type { ContainerContext } from './context.ts';

/** Makes the volumes that a request wants of plugins, so that the rest of the creation finds them. Unnamed ones get names here. */
export async function createPluginVolumes(context: ContainerContext, hostConfig: HostConfig): Promise<void> {
  const { volumes } = context;
  const ensure = (
    name: string,
    driver: string | undefined,
    options?: Record<string, string> | null,
    labels?: Record<string, string> | null,
  ) => (driver && driver !== 'local' ? volumes.ensure({ Name: name, Driver: driver, DriverOpts: options, Labels: labels }) : undefined);
  for (const bind of hostConfig.Binds ?? []) {
    const [source = '', target] = bind.split(':');
    if (target !== undefined && source !== '' && !source.startsWith('/')) await ensure(source, hostConfig.VolumeDriver);
  }
  for (const mount of hostConfig.Mounts ?? []) {
    if ((mount.Type ?? 'volume') !== 'volume') continue;
    const { DriverConfig: config, Labels: labels } = mount.VolumeOptions ?? {};
    const driver = config?.Name || hostConfig.VolumeDriver;
    if (!driver || driver === 'local') continue;
    mount.Source ||= randomBytes(32).toString('hex');
    await ensure(mount.Source, driver, config?.Options, labels);
  }
}

/** All or none. */
export async function mountPluginVolumes(context: ContainerContext, container: Container): Promise<void> {
  try {
    for (const mount of pluginMounts(container)) mount.Source = await context.volumes.mount(mount.Name as string, container.id);
  } catch (error) {
    await unmountPluginVolumes(context, container);
    throw error;
  }
}

/** Failures are the log's: there is nobody left to tell. */
export async function unmountPluginVolumes(context: ContainerContext, container: Container): Promise<void> {
  for (const mount of pluginMounts(container)) {
    if (mount.Source === '') continue;
    mount.Source = '';
    await context.volumes.unmount(mount.Name as string, container.id).catch((error: unknown) => {
      context.log.warn({ container: container.id, volume: mount.Name, err: error }, 'a volume plugin could not unmount');
    });
  }
}

function pluginMounts(container: Container): ContainerMount[] {
  return container.record.mounts.filter((mount) => mount.Type === 'volume' && mount.Driver !== undefined && mount.Driver !== 'local');
}
