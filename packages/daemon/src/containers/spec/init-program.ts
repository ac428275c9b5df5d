// `--init`: a small program that is process 1 of the container, hands signals on and reaps orphans. It is the host's, mounted into the
// container read-only; it must be statically linked, since the container need not have its libraries.
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import type { HostConfig } from '@berth/api/host-config';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Mount } from '@berth/oci/runtime-spec';
import type { Config } from '../../config/config.ts';

/** Where it is in the container. */
export const INIT_DESTINATION = '/sbin/docker-init';
const NAMES = ['docker-init', 'tini-static', 'catatonit'];
/** Where packages put it that nobody runs by hand. */
const LIBRARY_DIRECTORIES = ['/usr/libexec/docker', '/usr/local/libexec/docker', '/usr/libexec/podman', '/usr/lib/docker'];

/** The init on this host. Throws with what to install when there is none. */
export function findInit(config: Config): string {
  if (config.initPath !== undefined) {
    if (isProgram(config.initPath)) return config.initPath;
    throw new EngineError('FailedPrecondition', `--init-path: ${config.initPath} is no program: install it, or name another`, {
      layer: 'daemon',
    });
  }
  const directories = [...(process.env.PATH ?? '').split(':').filter(Boolean), ...LIBRARY_DIRECTORIES];
  for (const name of NAMES) {
    const found = directories.map((directory) => join(directory, name)).find(isProgram);
    if (found !== undefined) return found;
  }
  throw new EngineError(
    'FailedPrecondition',
    `--init needs one of ${NAMES.join(', ')} on the host, and none is there: install tini or catatonit, or start the daemon with --init-path`,
    { layer: 'daemon' },
  );
}

/** Whether the container gets one: who joins another process namespace is not process 1 there. */
export function usesInit(hostConfig: HostConfig): boolean {
  return hostConfig.Init === true && !hostConfig.PidMode;
}

export function initMount(source: string): Mount {
  return { destination: INIT_DESTINATION, type: 'bind', source, options: ['bind', 'ro'] };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
