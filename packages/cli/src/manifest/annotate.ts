// `berth manifest annotate`
import { canonical } from '@berth/oci/reference';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { listReference, platformOf } from './manifest-registry.ts';
import { ManifestStore } from './manifest-store.ts';

/** Pairs that docker's client takes: Go's ports. */
const ARCHITECTURES: Record<string, string> = {
  darwin: '386 amd64 arm arm64',
  dragonfly: 'amd64',
  freebsd: '386 amd64 arm',
  linux: '386 amd64 arm arm64 mips64 mips64le ppc64le riscv64 s390x',
  netbsd: '386 amd64 arm',
  openbsd: '386 amd64 arm',
  plan9: '386 amd64',
  solaris: 'amd64',
  windows: '386 amd64 arm arm64',
};

export const command: Command = {
  usage: 'manifest annotate [OPTIONS] MANIFEST_LIST MANIFEST',
  description: 'Add additional information to a local image manifest',
  flags: {
    arch: { type: 'string', description: 'Set architecture' },
    os: { type: 'string', description: 'Set operating system' },
    'os-features': { type: 'string', array: true, description: 'Set operating system feature' },
    'os-version': { type: 'string', description: 'Set operating system version' },
    variant: { type: 'string', description: 'Set architecture variant' },
  },
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    const list = canonical(listReference(args.at(0)));
    const name = canonical(listReference(args.at(1)));
    const store = new ManifestStore(context.configDirectory);
    const manifest = store.get(list, name);
    if (!manifest) throw new ExitError(1, `manifest for image ${name} does not exist in ${list}`);
    const { platform } = manifest.Descriptor;
    const features = args.list('os-features').flatMap((text) => text.split(','));
    const changed = platformOf({
      architecture: args.string('arch') ?? platform?.architecture ?? '',
      os: args.string('os') ?? platform?.os ?? '',
      'os.version': args.string('os-version') ?? platform?.['os.version'] ?? '',
      'os.features': [...new Set([...(platform?.['os.features'] ?? []), ...features])],
      variant: args.string('variant') ?? platform?.variant ?? '',
    });
    if (!ARCHITECTURES[changed.os]?.split(' ').includes(changed.architecture)) {
      throw new ExitError(1, `manifest entry for image has unsupported os/arch combination: ${changed.os}/${changed.architecture}`);
    }
    store.save(list, name, { ...manifest, Descriptor: { ...manifest.Descriptor, platform: changed } });
  },
};
