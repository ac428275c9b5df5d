// The supervisor of a container's seccomp filter (runtime-spec config-linux.md "The Container Process State"): the descriptor by which it
// answers for the kernel goes to the socket at linux.seccomp.listenerPath. Runs in the parent.
import { closeSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import { OCI_VERSION, type Spec, type State } from '@berth/oci/runtime-spec';
import { connectUnix, sendWithFds } from '@berth/sys/fd-passing';

function connectAgent(path: string): number {
  try {
    return connectUnix(path);
  } catch (cause) {
    throw new EngineError(
      'FailedPrecondition',
      `failed to connect with seccomp agent specified in the seccomp profile: ${(cause as Error).message}`,
      {
        layer: 'runtime',
        cause,
      },
    );
  }
}

/** Closes the descriptor. The state is that of the container, `pid` the process that has the filter. */
export function passListener(listener: number, spec: Spec, pid: number, state: State): void {
  try {
    const { listenerPath, listenerMetadata } = spec.linux?.seccomp ?? {};
    if (!listenerPath)
      throw new EngineError('InvalidArgument', 'config.json: linux.seccomp.listenerPath is needed for SCMP_ACT_NOTIFY', {
        layer: 'runtime',
      });
    const socket = connectAgent(listenerPath);
    try {
      const message = { ociVersion: OCI_VERSION, fds: ['seccompFd'], pid, metadata: listenerMetadata, state };
      sendWithFds(socket, Buffer.from(JSON.stringify(message)), [listener]);
    } finally {
      closeSync(socket);
    }
  } finally {
    closeSync(listener);
  }
}
