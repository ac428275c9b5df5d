// The first steps of creating and of restoring a container: its id is taken by making the state directory, what it will be is written
// down, and its cgroup made and limited. Runs in the parent.
import { closeSync, openSync, readlinkSync, rmSync } from 'node:fs';
import type { Spec } from '@berth/oci/runtime-spec';
import { mkfifo, O } from '@berth/sys/path';
import type { Span } from '@berth/trace/tracer';
import { rootfsPath } from './bundle.ts';
import type { Cgroup } from './cgroup/cgroup.ts';
import { type Hierarchy, hierarchies } from './cgroup/hierarchy.ts';
import { openCgroup } from './cgroup/open.ts';
import { noteParents } from './cgroup/parents.ts';
import type { CreateOptions } from './container-options.ts';
import { fifoPath, makeStateDirectory, type SavedState, writeState } from './state-file.ts';
import type { UndoStack } from './undo.ts';

export interface Claim extends Disposable {
  directory: string;
  /** Init is not known yet. */
  state: SavedState;
  cgroup: Cgroup;
  mounted: readonly Hierarchy[];
  /** The reading end of exec.fifo, closed by disposing. */
  gate: number;
}

/** What is known of a container once it has its id: the cgroup is not made yet. */
export type Place = Pick<Claim, 'cgroup' | 'mounted' | 'gate'>;

/** `undo` gives everything back, but for the gate. `located` is called as soon as that is known. */
export function claim(
  options: CreateOptions,
  spec: Spec,
  undo: UndoStack,
  span: Span | undefined,
  located?: (place: Place) => void,
): Claim {
  const directory = makeStateDirectory(options.root, options.id);
  undo.defer(() => rmSync(directory, { recursive: true, force: true }));
  const fifo = fifoPath(directory);
  mkfifo(fifo, 0o622);
  const gate = openSync(fifo, O.RDONLY | O.NONBLOCK | O.CLOEXEC);
  using failed = new DisposableStack();
  failed.defer(() => closeSync(gate));

  using cgroupSpan = span?.child('cgroup');
  const mounted = hierarchies();
  const cgroup = openCgroup({
    id: options.id,
    hierarchies: mounted,
    cgroupsPath: spec.linux?.cgroupsPath,
    driver: options.cgroupManager,
    annotations: spec.annotations,
    rootless: process.geteuid?.() !== 0,
  });
  located?.({ cgroup, mounted, gate });
  const state: SavedState = {
    id: options.id,
    pid: 0,
    startTime: 0,
    bundle: options.bundle,
    rootfs: rootfsPath(options.bundle, spec),
    created: new Date().toISOString(),
    owner: process.getuid?.() ?? 0,
    cgroup: cgroup.location,
    spec,
    streams: 'stdin' in options.stdio ? namesOf(options.stdio) : [],
  };
  writeState(directory, state);
  const { existed, parents } = cgroup.create();
  undo.defer(() => cgroup.remove());
  noteParents(options.root, parents);
  if (existed) warnOfCompany(cgroup, options);
  if (!cgroup.needsProcess) cgroup.apply(spec.linux?.resources ?? {}, 'create');
  cgroupSpan?.end();
  failed.move();
  return { directory, state, cgroup, mounted, gate, [Symbol.dispose]: () => closeSync(gate) };
}

function namesOf({ stdin, stdout, stderr }: { stdin: number; stdout: number; stderr: number }): string[] {
  return [stdin, stdout, stderr].map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
}

/** Its limits would be shared, and killing all of one container would kill the other. */
function warnOfCompany(cgroup: Cgroup, { warn }: CreateOptions): void {
  const count = warn ? cgroup.pids().length : 0;
  if (count) warn?.(`container's cgroup is not empty: ${count} process(es) found`);
}
