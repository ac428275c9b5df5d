// `berth update`
import { updateContainer } from '@berth/client/containers/update';
import type { Command, Flags } from '../command.ts';
import { ExitError } from '../exit.ts';
import { resourcesOf, restartPolicy } from '../run-flags/container-request.ts';
import { CREATE_FLAGS } from '../run-flags/flags.ts';
import { forEach } from './for-each.ts';

const NAMES = [
  'blkio-weight',
  'cpu-period',
  'cpu-quota',
  'cpu-rt-period',
  'cpu-rt-runtime',
  'cpu-shares',
  'cpus',
  'cpuset-cpus',
  'cpuset-mems',
  'memory',
  'memory-reservation',
  'memory-swap',
  'pids-limit',
  'restart',
];

const FLAGS: Flags = Object.fromEntries(NAMES.map((name) => [name, CREATE_FLAGS[name] as Flags[string]]));

export const command: Command = {
  usage: 'update [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Update configuration of one or more containers',
  flags: FLAGS,
  arguments: { min: 1 },
  async run(context, args) {
    if (!NAMES.some((name) => args.given(name))) throw new ExitError(1, 'you must provide one or more flags when using this command');
    const changes = { ...resourcesOf(args), ...(args.given('restart') ? { RestartPolicy: restartPolicy(args.string('restart')) } : {}) };
    return forEach(context, args.positional, async (id) => {
      const { Warnings: warnings } = await updateContainer(context.engine, id, changes);
      for (const warning of warnings ?? []) context.warn(warning);
    });
  },
};
