// `delete`: what a shim that was killed left behind goes: its processes, the runtime's state, its socket. Prints containerd's
// DeleteResponse. Safe to run for a container that is long gone.
import { readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isKind } from '@berth/errdefs/engine-error';
import { DeleteResponse } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { loadContainer, removeRemains } from '@berth/runtime/container';
import { wallTime } from '@berth/sys/clock';
import { deleteForeign } from '../runtime/oci-cli.ts';
import { readBootstrap, socketPath } from '../shim.ts';
import type { ShimParameters } from '../zygote/protocol.ts';

/** 128 + SIGKILL: nobody was there to see how it ended. */
const KILLED = 137;
const STDOUT = 1;

export function deleteShim({ shim }: { shim: ShimParameters }): void {
  // What the shim was started with counts, not what this command line assumes.
  const parameters = readBootstrap(shim.bundle).shim ?? shim;
  const pid = readPid(parameters.bundle);
  deleteForeign(parameters.bundle, parameters.id);
  try {
    loadContainer(parameters.runtimeRoot, parameters.id).delete({ force: true });
  } catch (error) {
    if (!isKind(error, 'NotFound')) throw error;
    // A shim that was killed before it wrote a state, or after it removed it, leaves its directory: the id would be taken for ever.
    removeRemains(parameters.runtimeRoot, parameters.id);
  }
  // A group's socket belongs to those of it that live; where none does, the next shim of the group takes it over.
  if (parameters.group === undefined) rmSync(socketPath(parameters), { force: true });
  writeSync(STDOUT, DeleteResponse.encode({ pid, exitStatus: KILLED, exitedAt: wallTime() }));
}

function readPid(bundle: string): number {
  try {
    return Number.parseInt(readFileSync(join(bundle, 'init.pid'), 'utf8'), 10) || 0;
  } catch {
    return 0;
  }
}
