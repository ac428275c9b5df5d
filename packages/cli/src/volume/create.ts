// `berth volume create`
import { createVolume } from '@berth/client/volumes/create';
import type { Command } from '../command.ts';
import { UsageError } from '../exit.ts';
import { labelsOf, pair } from '../run-flags/environment.ts';

export const command: Command = {
  usage: 'volume create [OPTIONS] [VOLUME]',
  description: 'Create a volume',
  flags: {
    driver: { type: 'string', alias: 'd', description: 'Specify volume driver name', default: 'local' },
    label: { type: 'string', array: true, description: 'Set metadata for a volume' },
    name: { type: 'string', hidden: true },
    opt: { type: 'string', array: true, alias: 'o', description: 'Set driver specific options' },
  },
  arguments: { min: 0, max: 1 },
  async run(context, args) {
    const name = args.positional[0];
    if (name && args.given('name'))
      throw new UsageError('conflicting options: cannot specify a volume-name through both --name and as a positional arg', 1);
    const volume = await createVolume(context.engine, {
      Name: name ?? args.string('name') ?? '',
      Driver: args.string('driver') ?? 'local',
      DriverOpts: Object.fromEntries(args.list('opt').map((text) => pair(text))),
      Labels: labelsOf(args.list('label')),
    });
    context.print(volume.Name);
  },
};
