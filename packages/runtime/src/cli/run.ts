// berth-runtime run: create, start, and unless detached stay until the program ends, then delete.
import { setChildSubreaper } from '@berth/sys/process';
import { onlyId, textOf, usage } from './arguments.ts';
import type { Command } from './command.ts';
import { CREATE_FLAGS, createFromFlags } from './creating.ts';
import { waitInForeground } from './foreground.ts';

export const run: Command = {
  usage: '[options] ID',
  help: 'create and run a container',
  forksInto: true,
  flags: {
    ...CREATE_FLAGS,
    detach: { kind: 'flag', short: 'd', help: 'leave the container running' },
    keep: { kind: 'flag', help: 'do not delete the container when it ends' },
    'no-subreaper': { kind: 'flag', help: 'do not adopt the orphans of the container' },
  },
  async run(parsed, settings) {
    const id = onlyId(parsed, 'run');
    const detach = parsed.flags.has('detach');
    if (textOf(parsed, 'console-socket') !== undefined && !detach)
      throw usage('cannot use console socket if runc will not detach or allocate tty');
    if (!detach && !parsed.flags.has('no-subreaper')) setChildSubreaper(true);
    const container = createFromFlags(id, parsed, settings, { terminal: !detach });
    try {
      container.start();
    } catch (error) {
      container.delete({ force: true });
      throw error;
    }
    if (detach) return 0;
    const status = await waitInForeground(container.pid, container.consoleMaster);
    if (!parsed.flags.has('keep')) container.delete();
    return status;
  },
};
