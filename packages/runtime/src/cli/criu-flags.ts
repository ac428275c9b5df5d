// The flags that `checkpoint` and `restore` share.
import { join } from 'node:path';
import { CGROUP_MODES, type CriuOptions } from '../criu/options.ts';
import { type Arguments, type FlagSpec, textOf, usage } from './arguments.ts';
import type { Settings } from './command.ts';

export const CRIU_FLAGS = {
  'image-path': { kind: 'value', help: 'directory of the images (default: ./checkpoint)' },
  'work-path': { kind: 'value', help: 'directory of the log and of temporary files (default: that of the images)' },
  'tcp-established': { kind: 'flag', help: 'allow open TCP connections' },
  'ext-unix-sk': { kind: 'flag', help: 'allow unix sockets whose other end is outside' },
  'shell-job': { kind: 'flag', help: "allow a terminal of the caller's" },
  'file-locks': { kind: 'flag', help: 'keep file locks' },
  'manage-cgroups-mode': { kind: 'value', help: 'soft (default), full, strict or ignore' },
  'empty-ns': { kind: 'list', help: 'a namespace whose content is left out: network, which always is' },
  'auto-dedup': { kind: 'flag', help: 'remove memory from earlier images that a later one has' },
  'lazy-pages': { kind: 'flag', help: 'memory follows when it is needed (userfaultfd)' },
} as const satisfies Record<string, FlagSpec>;

export function criuOptions(parsed: Arguments, settings: Settings): CriuOptions {
  for (const name of parsed.values.get('empty-ns') ?? []) if (name !== 'network') throw usage(`namespace "${name}" is not supported`);
  const mode = textOf(parsed, 'manage-cgroups-mode') || undefined;
  const cgroupMode = CGROUP_MODES.find((known) => known === mode);
  if (mode !== undefined && cgroupMode === undefined) throw usage('invalid manage-cgroups-mode value');
  return {
    imagePath: textOf(parsed, 'image-path') ?? join(process.cwd(), 'checkpoint'),
    workPath: textOf(parsed, 'work-path') || undefined,
    tcpEstablished: parsed.flags.has('tcp-established'),
    extUnixSockets: parsed.flags.has('ext-unix-sk'),
    shellJob: parsed.flags.has('shell-job'),
    fileLocks: parsed.flags.has('file-locks'),
    autoDedup: parsed.flags.has('auto-dedup'),
    lazyPages: parsed.flags.has('lazy-pages'),
    cgroupMode,
    criu: settings.criu,
  };
}
