// What a crash may have left: records and snapshots in the lifecycle service of containers that the daemon has forgotten, and
// their directories. Run once at the start, in the background. Only what carries the daemon's own label is touched.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isKind } from '@berth/errdefs/engine-error';
import type { ContainerContext } from './context.ts';
import { OWNER_LABEL } from './prepare.ts';
import { discardTask } from './start.ts';

export async function sweepLeftovers(context: ContainerContext): Promise<void> {
  const { lifecycle, store, log, config } = context;
  using span = context.tracer.start('sweep', undefined);
  const { containers } = await lifecycle.containers.list({});
  for (const { id, labels } of containers) {
    if (labels[OWNER_LABEL] !== id || store.find(id)) continue;
    log.info({ container: id }, 'removing what a former daemon left of a container');
    await discardTask(context, id, span);
    await forget(() => lifecycle.containers.delete({ id }));
  }
  for await (const page of lifecycle.snapshots.list({ snapshotter: lifecycle.snapshotter })) {
    for (const { name, labels } of page.info) {
      if (labels[OWNER_LABEL] === name && !store.find(name))
        await forget(() => lifecycle.snapshots.remove({ snapshotter: lifecycle.snapshotter, key: name }));
    }
  }
  const directory = join(config.dataRoot, 'containers');
  for (const id of readdirSync(directory)) if (!store.find(id)) rmSync(join(directory, id), { recursive: true, force: true });
}

async function forget(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isKind(error, 'NotFound')) throw error;
  }
}
