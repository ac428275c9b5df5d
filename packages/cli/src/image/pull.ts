// `berth pull`
import { parseReference } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { splitTag } from './name.ts';
import { pullWithProgress } from './pull-image.ts';

export const command: Command = {
  usage: 'pull [OPTIONS] NAME[:TAG|@DIGEST]',
  description: 'Download an image from a registry',
  flags: {
    'all-tags': { type: 'boolean', alias: 'a', description: 'Download all tagged images in the repository' },
    'disable-content-trust': { type: 'boolean', hidden: true },
    'limit-rate': { type: 'string', description: 'Bytes a second at most, e.g. 500k or 10m' },
    platform: { type: 'string', description: 'Set platform if server is multi-platform capable' },
    quiet: { type: 'boolean', alias: 'q', description: 'Suppress verbose output' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const name = args.at(0);
    const allTags = args.boolean('all-tags');
    const bare = !name.includes('@') && splitTag(name).tag === undefined;
    if (allTags && !bare) throw new ExitError(1, "tag can't be used with --all-tags/-a");
    parseReference(name);
    const quiet = args.boolean('quiet');
    if (bare && !allTags && !quiet) context.print('Using default tag: latest');
    const platform = args.string('platform') ?? context.environment.DOCKER_DEFAULT_PLATFORM;
    await pullWithProgress(context, name, {
      stream: context.stdout,
      quiet,
      allTags,
      limitRate: args.string('limit-rate'),
      ...(platform ? { platform } : {}),
    });
    context.print(reference(name, bare && !allTags));
  },
};

/** The name in full, as docker repeats it at the end. */
function reference(name: string, bare: boolean): string {
  const first = name.split('/')[0] as string;
  const hosted = name.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost');
  const full = hosted ? name : `docker.io/${name.includes('/') ? name : `library/${name}`}`;
  return bare ? `${full}:latest` : full;
}
