// `berth tag`
import { tagImage } from '@berth/client/images/tag';
import { parseReference } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { splitTag } from './name.ts';

export const command: Command = {
  usage: 'tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  description: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  arguments: { min: 2, max: 2 },
  run(context, args) {
    const target = args.at(1);
    try {
      parseReference(target);
    } catch (error) {
      const why = (error as Error).message;
      throw new ExitError(1, `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${why}`, error);
    }
    return tagImage(context.engine, args.at(0), splitTag(target));
  },
};
