// `berth push`
import type { OciDescriptor } from '@berth/api/image';
import { pushImage } from '@berth/client/images/push';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import { credentialsFor } from './credentials.ts';
import { registryOf, splitTag } from './name.ts';
import { platformField } from './platform.ts';
import { showProgress } from './progress.ts';

export const command: Command = {
  usage: 'push [OPTIONS] NAME[:TAG]',
  description: 'Upload an image to a registry',
  flags: {
    'all-tags': { type: 'boolean', alias: 'a', description: 'Push all tags of an image to the repository' },
    'disable-content-trust': { type: 'boolean', hidden: true },
    'limit-rate': { type: 'string', description: 'Bytes a second at most, e.g. 500k or 10m' },
    platform: { type: 'string', description: 'Push a platform-specific manifest as a single-platform image' },
    quiet: { type: 'boolean', alias: 'q', description: 'Suppress verbose output' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const { repo, tag } = splitTag(args.at(0));
    const all = args.boolean('all-tags');
    if (all && tag !== undefined) throw new ExitError(1, "tag can't be used with --all-tags/-a");
    const quiet = args.boolean('quiet');
    if (!all && tag === undefined && !quiet) context.print('Using default tag: latest');
    const auth = credentialsFor(context, registryOf(repo));
    const wanted = all ? undefined : (tag ?? 'latest');
    await showProgress(
      pushImage(context.engine, {
        name: repo,
        ...(wanted ? { tag: wanted } : {}),
        ...(auth ? { auth } : {}),
        limitRate: args.string('limit-rate'),
        ...platformField(args.string('platform')),
      }),
      { stream: context.stdout, quiet, aux: (value) => noteInsteadOfIndex(context, value) },
    );
    if (quiet) context.print(wanted ? `${repo}:${wanted}` : repo);
  },
};

/** What went was not what the name stands for, which the user should know. */
function noteInsteadOfIndex(context: Context, value: unknown): void {
  const note = value as { manifestPushedInsteadOfIndex?: boolean; originalIndex?: OciDescriptor; selectedManifest?: OciDescriptor };
  if (!note.manifestPushedInsteadOfIndex) return;
  context.warn(
    `Not all multiplatform-content is present and only the available single-platform image was pushed\n${note.originalIndex?.digest} -> ${note.selectedManifest?.digest}`,
  );
}
