// What may be asked of a checkpoint and of a restore, which are runc's flags, and what of it goes to criu in either case.
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import { CgroupMode, type Options } from '@berth/rpc/gen/criu/rpc';
import type { Init } from '@berth/rpc/wire/message';
import { CLONE } from '@berth/sys/namespace';
import { type CriuProcess, IMAGES, WORK } from './criu.ts';

export const CGROUP_MODES = ['soft', 'full', 'strict', 'ignore'] as const;

/** Either way. */
export interface CriuOptions {
  /** The directory of the images. */
  imagePath: string;
  /** The directory of the log and of criu's temporary files, by default that of the images. */
  workPath?: string | undefined;
  tcpEstablished?: boolean;
  extUnixSockets?: boolean;
  shellJob?: boolean;
  fileLocks?: boolean;
  autoDedup?: boolean;
  lazyPages?: boolean;
  cgroupMode?: (typeof CGROUP_MODES)[number] | undefined;
  /** The program, a path or a command. */
  criu?: string | undefined;
}

export interface CheckpointOptions extends CriuOptions {
  /** An earlier checkpoint of the same container, relative to `imagePath`: only what changed since is saved. */
  parentPath?: string | undefined;
  leaveRunning?: boolean;
  /** Only the memory, for a later checkpoint to name as its parent; the container goes on. */
  preDump?: boolean;
  tcpSkipInFlight?: boolean;
  linkRemap?: boolean;
  /** Memory goes there instead of into the images. */
  pageServer?: { address: string; port: number } | undefined;
  /** Gets one byte, and is closed, when the server of lazy pages is ready. */
  statusFd?: number | undefined;
}

export interface RestoreOptions extends CriuOptions {
  /** Connections of the images come back as closed sockets. */
  tcpClose?: boolean;
  lsmProfile?: string | undefined;
  lsmMountContext?: string | undefined;
}

/** Where the settings of `criu` come from that no flag has. */
const CONFIG_ANNOTATION = 'org.criu.config';
const CONFIG_FILE = '/etc/criu/runc.conf';
const LOG_LEVEL = 4;

/** Absolute; made where missing. */
export function directoriesOf(options: CriuOptions): CriuProcess['directories'] {
  const images = resolve(options.imagePath);
  const work = options.workPath ? resolve(options.workPath) : images;
  for (const path of [images, work]) mkdirSync(path, { recursive: true, mode: 0o700 });
  return { images, work };
}

export function commonOptions(options: CriuOptions, spec: Spec, log: string): Init<Options> {
  return {
    imagesDirFd: IMAGES,
    workDirFd: WORK,
    logLevel: LOG_LEVEL,
    logFile: log,
    notifyScripts: true,
    orphanPtsMaster: true,
    manageCgroups: true,
    manageCgroupsMode: cgroupMode(options.cgroupMode),
    tcpEstablished: options.tcpEstablished ?? false,
    extUnixSk: options.extUnixSockets ?? false,
    shellJob: options.shellJob ?? false,
    fileLocks: options.fileLocks ?? false,
    autoDedup: options.autoDedup ?? false,
    lazyPages: options.lazyPages ?? false,
    // Devices, addresses and routes are the network's business, not the runtime's.
    emptyNs: CLONE.NEWNET,
    configFile: spec.annotations?.[CONFIG_ANNOTATION] ?? CONFIG_FILE,
  };
}

function cgroupMode(mode: CriuOptions['cgroupMode']): CgroupMode {
  switch (mode) {
    case undefined:
      return CgroupMode.DEFAULT;
    case 'soft':
      return CgroupMode.SOFT;
    case 'full':
      return CgroupMode.FULL;
    case 'strict':
      return CgroupMode.STRICT;
    case 'ignore':
      return CgroupMode.IGNORE;
    default:
      throw new EngineError('InvalidArgument', 'invalid manage-cgroups-mode value', { layer: 'runtime' });
  }
}

/** The name under which an outside namespace is in the images: runc's, so that either can restore what the other saved. */
export function externalNamespaceKey(type: 'net' | 'pid'): string {
  return type === 'net' ? 'extRootNetNS' : 'extRootPidNS';
}
