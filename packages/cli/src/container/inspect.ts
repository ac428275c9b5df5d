// `berth container inspect`
import { inspectContainer } from '@berth/client/containers/inspect';
import type { Command } from '../command.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';

export const command: Command = {
  usage: 'container inspect [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Display detailed information on one or more containers',
  flags: { ...INSPECT_FLAGS, size: { type: 'boolean', alias: 's', description: 'Display total file sizes' } },
  arguments: { min: 1 },
  run: (context, args) =>
    inspectObjects(context, args.positional, args.string('format'), (name) =>
      inspectContainer(context.engine, name, { size: args.boolean('size') }),
    ),
};
