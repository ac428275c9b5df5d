// A pull that the user watches: by `berth pull`, and by `run` and `create` when the image is missing.
import { pullImage } from '@berth/client/images/pull';
import type { Context } from '../context.ts';
import { credentialsFor } from './credentials.ts';
import { registryOf, splitTag } from './name.ts';
import { showProgress } from './progress.ts';

export async function pullWithProgress(
  context: Context,
  name: string,
  options: { stream: NodeJS.WriteStream; quiet?: boolean; platform?: string; allTags?: boolean; limitRate?: string | undefined },
): Promise<void> {
  const auth = credentialsFor(context, registryOf(name));
  const { repo, tag } = name.includes('@') ? { repo: name, tag: undefined } : splitTag(name);
  const wanted = options.allTags ? undefined : (tag ?? (name.includes('@') ? undefined : 'latest'));
  await showProgress(
    pullImage(context.engine, {
      name: repo,
      ...(wanted ? { tag: wanted } : {}),
      ...(options.platform ? { platform: options.platform } : {}),
      limitRate: options.limitRate,
      ...(auth ? { auth } : {}),
    }),
    { stream: options.stream, quiet: options.quiet === true },
  );
}
