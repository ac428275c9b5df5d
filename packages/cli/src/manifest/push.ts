// `berth manifest push`
import { canonical } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { listReference, pushList } from './manifest-registry.ts';
import { ManifestStore } from './manifest-store.ts';

export const command: Command = {
  usage: 'manifest push [OPTIONS] MANIFEST_LIST',
  description: 'Push a manifest list to a repository',
  flags: {
    insecure: { type: 'boolean', description: 'Allow push to an insecure registry' },
    purge: { type: 'boolean', alias: 'p', description: 'Remove the local manifest list after push' },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const target = listReference(args.at(0));
    const store = new ManifestStore(context.configDirectory);
    const manifests = store.list(canonical(target));
    if (!manifests?.length) throw new ExitError(1, `No such manifest: ${canonical(target)}`);
    const digest = await pushList({ context, insecure: args.boolean('insecure') }, target, manifests, (reference, pushed) =>
      context.print(`Pushed ref ${reference} with digest: ${pushed}`),
    );
    context.print(digest);
    if (args.boolean('purge')) store.remove(canonical(target));
  },
};
