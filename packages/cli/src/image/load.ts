// `berth load`
import { loadImages } from '@berth/client/images/load';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { openInput } from '../input-file.ts';
import { platformField } from './platform.ts';
import { showProgress } from './progress.ts';

export const command: Command = {
  usage: 'load [OPTIONS]',
  description: 'Load an image from a tar archive or STDIN',
  flags: {
    input: { type: 'string', alias: 'i', description: 'Read from tar archive file, instead of STDIN' },
    platform: { type: 'string', description: 'Load only the given platform(s). Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")' },
    quiet: { type: 'boolean', alias: 'q', description: 'Suppress the load output' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const path = args.string('input');
    if (path === undefined && context.stdin.isTTY) throw new ExitError(1, 'requested load from stdin, but stdin is empty');
    // Bars need a terminal; what a script reads is only the names of what was loaded.
    const quiet = args.boolean('quiet') || !context.stdout.isTTY;
    const messages = loadImages(context.engine, openInput(path ?? '-'), {
      quiet,
      ...platformField(args.string('platform')),
    });
    await showProgress(messages, { stream: context.stdout });
  },
};
