// `berth manifest create`
import { canonical } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { fetchManifest, listReference } from './manifest-registry.ts';
import { ManifestStore } from './manifest-store.ts';

export const command: Command = {
  usage: 'manifest create [OPTIONS] MANIFEST_LIST MANIFEST [MANIFEST...]',
  description: 'Create a local manifest list for annotating and pushing to a registry',
  flags: {
    amend: { type: 'boolean', alias: 'a', description: 'Amend an existing manifest list' },
    insecure: { type: 'boolean', description: 'Allow communication with an insecure registry' },
  },
  arguments: { min: 2 },
  async run(context, args) {
    const [name = '', ...others] = args.positional;
    const list = canonical(listReference(name));
    const store = new ManifestStore(context.configDirectory);
    if (store.list(list) && !args.boolean('amend'))
      throw new ExitError(1, 'refusing to amend an existing manifest list with no --amend flag');
    const access = { context, insecure: args.boolean('insecure') };
    const manifests = await Promise.all(
      others.map(async (text) => {
        const reference = listReference(text);
        return store.get(list, canonical(reference)) ?? (await fetchManifest(access, reference));
      }),
    );
    for (const manifest of manifests) store.save(list, manifest.Ref, manifest);
    context.print(`Created manifest list ${list}`);
  },
};
