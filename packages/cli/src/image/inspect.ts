// `berth image inspect`
import { inspectImage } from '@berth/client/images/inspect';
import type { Command } from '../command.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';
import { platformField } from './platform.ts';

export const command: Command = {
  usage: 'image inspect [OPTIONS] IMAGE [IMAGE...]',
  description: 'Display detailed information on one or more images',
  flags: {
    ...INSPECT_FLAGS,
    platform: { type: 'string', description: 'Inspect a specific platform of the multi-platform image' },
  },
  arguments: { min: 1 },
  run: (context, args) => {
    const platform = platformField(args.string('platform'));
    return inspectObjects(context, args.positional, args.string('format'), (name) => inspectImage(context.engine, name, platform));
  },
};
