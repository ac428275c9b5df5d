// `berth import`
import { importImage } from '@berth/client/images/import';
import type { Command } from '../command.ts';
import { openInput } from '../input-file.ts';
import { splitTag } from './name.ts';
import { showProgress } from './progress.ts';

export const command: Command = {
  usage: 'import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  description: 'Import the contents from a tarball to create a filesystem image',
  flags: {
    change: { type: 'string', array: true, alias: 'c', description: 'Apply Dockerfile instruction to the created image' },
    message: { type: 'string', alias: 'm', description: 'Set commit message for imported image' },
    platform: { type: 'string', description: 'Set platform if server is multi-platform capable' },
  },
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const [from, name] = args.positional as [string, string?];
    const source = /^https?:\/\//.test(from) ? from : openInput(from);
    await showProgress(
      importImage(context.engine, {
        source,
        ...(name ? splitTag(name) : {}),
        changes: args.list('change'),
        ...(args.given('message') ? { message: args.string('message') as string } : {}),
        ...(args.given('platform') ? { platform: args.string('platform') as string } : {}),
      }),
      { stream: context.stdout },
    );
  },
};
