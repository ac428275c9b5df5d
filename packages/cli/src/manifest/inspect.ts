// `berth manifest inspect`: a list that is being put together here, one manifest of it, or what a registry has under a name.
import { canonical } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { listOf, listReference, lookUp } from './manifest-registry.ts';
import { type ImageManifest, ManifestStore } from './manifest-store.ts';

export const command: Command = {
  usage: 'manifest inspect [OPTIONS] [MANIFEST_LIST] MANIFEST',
  description: 'Display an image manifest, or manifest list',
  flags: {
    insecure: { type: 'boolean', description: 'Allow communication with an insecure registry' },
    verbose: { type: 'boolean', alias: 'v', description: 'Output additional info including layers and platform' },
  },
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const verbose = args.boolean('verbose');
    const store = new ManifestStore(context.configDirectory);
    const [first, second] = args.positional.map((text) => listReference(text));
    if (!first) return;
    if (second) {
      const manifest = store.get(canonical(first), canonical(second));
      if (!manifest) throw new ExitError(1, `No such manifest: ${canonical(second)}`);
      context.print(textOf(manifest, verbose));
      return;
    }
    const local = store.list(canonical(first));
    context.print(textOf(local ?? (await lookUp({ context, insecure: args.boolean('insecure') }, first, verbose)), verbose));
  },
};

function textOf(found: ImageManifest | ImageManifest[], verbose: boolean): string {
  if (verbose) return JSON.stringify(found, null, '\t');
  if (Array.isArray(found)) return JSON.stringify(listOf(found), null, 3);
  return JSON.stringify(JSON.parse(Buffer.from(found.Raw, 'base64').toString('utf8')), null, '\t');
}
