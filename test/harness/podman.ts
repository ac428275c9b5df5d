// podman as a client of registries, with storage and settings of its own in a directory that goes with the test.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program, type Result, run } from './programs.ts';

export type Podman = (...args: string[]) => Promise<Result>;

/** Undefined where there is no podman. */
export async function podmanIn(directory: string): Promise<Podman | undefined> {
  const podman = program('podman');
  if ((await run(podman, ['--version']).catch(() => undefined))?.code !== 0) return undefined;
  const at = (name: string) => join(directory, name);
  const roots = ['--root', at('podman'), '--runroot', at('podman-run'), '--tmpdir', at('podman-tmp')];
  const settings = [...roots, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs'];
  // A machine without podman's own packages has no policy, and without one nothing is pulled.
  mkdirSync(at('.config/containers'), { recursive: true });
  writeFileSync(at('.config/containers/policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  writeFileSync(at('containers.conf'), '[engine]\nlock_type = "file"\n');
  const env = { ...process.env, CONTAINERS_CONF: at('containers.conf'), HOME: directory, XDG_RUNTIME_DIR: directory, TMPDIR: directory };
  return (...args) => run(podman, [...settings, ...args], { env });
}
