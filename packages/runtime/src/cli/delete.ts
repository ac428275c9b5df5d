// berth-runtime delete: what is left of a container.
import { isKind } from '@berth/errdefs/engine-error';
import { removeParents } from '../cgroup/parents.ts';
import { loadContainer, removeRemains } from '../container.ts';
import { onlyId } from './arguments.ts';
import type { Command } from './command.ts';

export const deleteContainer: Command = {
  usage: '[options] ID',
  help: 'remove a container that has stopped',
  flags: { force: { kind: 'flag', short: 'f', help: 'kill it if it still runs' } },
  permute: true,
  run(parsed, { root }) {
    const id = onlyId(parsed, 'delete');
    const force = parsed.flags.has('force');
    try {
      loadContainer(root, id).delete({ force });
    } catch (error) {
      if (!force || !isKind(error, 'NotFound')) throw error;
      removeRemains(root, id);
    }
    removeParents(root);
    return 0;
  },
};
