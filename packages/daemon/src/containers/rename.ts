// `POST /containers/{id}/rename`.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Container } from './container.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { checkName } from './names.ts';

export async function renameContainer(context: ContainerContext, container: Container, name: string): Promise<void> {
  if (name === '') throw new EngineError('InvalidArgument', 'Neither old nor new names may be empty', { layer: 'daemon' });
  const wanted = checkName(name);
  await container.lock.run(() => {
    const old = container.name;
    if (wanted === old) {
      throw new EngineError('InvalidArgument', 'Renaming a container with the same name as its current name', { layer: 'daemon' });
    }
    context.store.reserveName(wanted, container.id);
    context.store.releaseName(old, container.id);
    container.record.name = wanted;
    container.save();
    emitContainerEvent(context, container, 'rename', { oldName: `/${old}` });
  });
}
