// `berth tag`
import { tagImage } from '@berth/client/images/tag';
import type { Command } from '../command.ts';
import { splitTag } from './name.ts';

export const command: Command = {
  usage: 'tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  description: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  arguments: { min: 2, max: 2 },
  run: (context, args) => tagImage(context.engine, args.at(0), splitTag(args.at(1))),
};
