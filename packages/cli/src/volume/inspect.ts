// `berth volume inspect`
import { inspectVolume } from '@berth/client/volumes/inspect';
import type { Command } from '../command.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';

export const command: Command = {
  usage: 'volume inspect [OPTIONS] VOLUME [VOLUME...]',
  description: 'Display detailed information on one or more volumes',
  flags: INSPECT_FLAGS,
  arguments: { min: 1 },
  run: (context, args) => inspectObjects(context, args.positional, args.string('format'), (name) => inspectVolume(context.engine, name)),
};
