// `berth image inspect`
import { inspectImage } from '@berth/client/images/inspect';
import type { Command } from '../command.ts';
import { INSPECT_FLAGS, inspectObjects } from '../system/inspect-objects.ts';

export const command: Command = {
  usage: 'image inspect [OPTIONS] IMAGE [IMAGE...]',
  description: 'Display detailed information on one or more images',
  flags: INSPECT_FLAGS,
  arguments: { min: 1 },
  run: (context, args) => inspectObjects(context, args.positional, args.string('format'), (name) => inspectImage(context.engine, name)),
};
