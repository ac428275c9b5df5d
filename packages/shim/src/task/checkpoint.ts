// What a Checkpoint request, and a Create request with a checkpoint, ask of a runtime: containerd.runc.v1's options in the runtime's terms.
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { holds, unpack } from '@berth/rpc/any';
import type { CheckpointTaskRequest, CreateTaskRequest } from '@berth/rpc/gen/containerd/runtime/task/v3/shim';
import { Options, CheckpointOptions as RuncCheckpointOptions } from '@berth/rpc/gen/containerd/types/runc/options';
import { CGROUP_MODES, type CheckpointOptions, type RestoreOptions } from '@berth/runtime/criu/options';

/** In the bundle: criu's log and temporary files, when the request names no other place. */
const WORK = 'criu-work';

export function checkpointOptions(request: CheckpointTaskRequest, bundle: string): CheckpointOptions {
  const wanted = holds(request.options, RuncCheckpointOptions) ? unpack(RuncCheckpointOptions, request.options) : undefined;
  const mode = wanted?.cgroupsMode || undefined;
  const cgroupMode = CGROUP_MODES.find((known) => known === mode);
  if (mode !== undefined && cgroupMode === undefined)
    throw new EngineError('InvalidArgument', `invalid cgroups mode "${mode}" for a checkpoint`, { layer: 'shim' });
  for (const name of wanted?.emptyNamespaces ?? [])
    if (name !== 'network') throw new EngineError('InvalidArgument', `namespace "${name}" is not supported`, { layer: 'shim' });
  return {
    imagePath: request.path,
    workPath: wanted?.workPath || join(bundle, WORK),
    parentPath: wanted?.parentPath || undefined,
    leaveRunning: !wanted?.exit,
    tcpEstablished: wanted?.openTcp ?? false,
    extUnixSockets: wanted?.externalUnixSockets ?? false,
    shellJob: wanted?.terminal ?? false,
    fileLocks: wanted?.fileLocks ?? false,
    cgroupMode,
  };
}

/** Undefined for a container that is to begin anew. */
export function restoreOptions(request: CreateTaskRequest): Pick<RestoreOptions, 'imagePath' | 'workPath'> | undefined {
  if (request.checkpoint === '') return undefined;
  const wanted = holds(request.options, Options) ? unpack(Options, request.options) : undefined;
  return { imagePath: request.checkpoint, workPath: wanted?.criuWorkPath || join(request.bundle, WORK) };
}
