// Containers that share a shim: those whose configuration has one of these annotations with the same value (containerd's
// io.containerd.runc.v2, which its clients expect every shim to follow).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Spec } from '@berth/oci/runtime-spec';

/** The first one that is there counts. */
const ANNOTATIONS = ['io.containerd.runc.v2.group', 'io.kubernetes.cri.sandbox-id'];

/** The group that a bundle's configuration names. */
export function groupOf(bundle: string): string | undefined {
  const path = join(bundle, 'config.json');
  // containerd makes bundles of sandboxes without one.
  if (!existsSync(path)) return undefined;
  const config = readFileSync(path, 'utf8');
  // Nearly no configuration names one, and they are long: only those are parsed.
  if (!ANNOTATIONS.some((name) => config.includes(name))) return undefined;
  const { annotations = {} } = JSON.parse(config) as Spec;
  return ANNOTATIONS.map((name) => annotations[name]).find((value) => value !== undefined && value !== '');
}
