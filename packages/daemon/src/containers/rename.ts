// `POST /containers/{id}/rename`.
import { EngineError, prefixed } from '@berth/errdefs/engine-error';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { checkName } from './names.ts';

export async function renameContainer(context: ContainerContext, container: Container, name: string): Promise<void> {
  if (name === '') throw new EngineError('InvalidArgument', 'Neither old nor new names may be empty', { layer: 'daemon' });
  const wanted = newName(() => checkName(name.startsWith('/') ? name : `/${name}`));
  await container.lock.run(() => {
    const old = container.name;
    if (wanted === old) {
      throw new EngineError('InvalidArgument', 'Renaming a container with the same name as its current name', { layer: 'daemon' });
    }
    newName(() => context.store.reserveName(wanted, container.id));
    container.record.name = wanted;
    try {
      container.save();
    } catch (error) {
      container.record.name = old;
      context.store.releaseName(wanted, container.id);
      throw error;
    }
    context.store.releaseName(old, container.id);
    emitContainerEvent(context, container, 'rename', { oldName: `/${old}` });
  });
}

/** What is wrong with the new name, in moby's words. */
function newName(check: () => string): string {
  try {
    return check();
  } catch (thrown) {
    throw prefixed(thrown, 'Error when allocating new name: ');
  }
}
