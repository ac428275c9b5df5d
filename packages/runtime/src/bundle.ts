// A bundle: its config.json, read and checked (runtime-spec bundle.md, config.md). Runs in the parent. Errors are one line and name
// the field; what the kernel checks itself is left to it.
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { HOOK_KINDS, type Hooks, type Linux, type Mount, NAMESPACE_TYPES, type Process, type Spec } from '@berth/oci/runtime-spec';
import { propagationFlags } from './mount-options.ts';
import { RLIMITS } from './rlimits.ts';

export function readBundle(bundle: string): Spec {
  const path = join(bundle, 'config.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new EngineError('NotFound', `JSON specification file ${path} not found: make one with the command "spec"`, {
        layer: 'runtime',
        cause,
      });
    throw cause;
  }
  try {
    return JSON.parse(text) as Spec;
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${path} is not valid JSON: ${(cause as Error).message}`, { layer: 'runtime', cause });
  }
}

/** Where the root file system is. */
export function rootfsPath(bundle: string, spec: Spec): string {
  const path = spec.root?.path ?? '';
  return isAbsolute(path) ? path : join(bundle, path);
}

/** Throws InvalidArgument for the first thing that is wrong. */
export function validateSpec(spec: Spec): void {
  object(spec, 'config.json');
  if (typeof spec.ociVersion !== 'string' || !/^1\.\d+\.\d+/.test(spec.ociVersion))
    invalid('ociVersion', `must be a version 1.x.y, not ${show(spec.ociVersion)}`);
  object(spec.root, 'root');
  text(spec.root?.path, 'root.path');
  if (spec.root?.path === '') invalid('root.path', 'must not be empty');
  if (!spec.process) invalid('process', 'is missing');
  validateProcess(spec.process, 'process');
  for (const [index, mount] of list(spec.mounts, 'mounts').entries()) {
    text(mount.destination, `mounts[${index}].destination`);
    if (mount.destination === '') invalid(`mounts[${index}].destination`, 'must not be empty');
    for (const option of list(mount.options, `mounts[${index}].options`)) text(option, `mounts[${index}].options`);
    validateIdMap(mount, `mounts[${index}]`, spec.linux);
  }
  if (spec.hooks) validateHooks(spec.hooks);
  if (spec.linux) validateLinux(spec.linux);
  const isNew = (type: string) => spec.linux?.namespaces?.some((namespace) => namespace.type === type && !namespace.path);
  const has = (type: string) => spec.linux?.namespaces?.some((namespace) => namespace.type === type);
  if (spec.hostname && !has('uts')) invalid('hostname', 'needs a UTS namespace of its own: add {"type": "uts"} to linux.namespaces');
  if (spec.linux?.uidMappings?.length && !has('user'))
    invalid('linux.uidMappings', 'need a user namespace: add {"type": "user"} to linux.namespaces');
  if (isNew('user') && !spec.linux?.uidMappings?.length) invalid('linux.uidMappings', 'are needed for a new user namespace');
  if (!has('mount') && (spec.linux?.maskedPaths?.length || spec.linux?.readonlyPaths?.length))
    invalid('linux.maskedPaths', 'and readonlyPaths need a mount namespace: add {"type": "mount"} to linux.namespaces');
}

function validateIdMap(mount: Mount, at: string, linux: Linux | undefined): void {
  const asked = mount.options?.some((option) => option === 'idmap' || option === 'ridmap');
  const uids = list(mount.uidMappings, `${at}.uidMappings`).length;
  const gids = list(mount.gidMappings, `${at}.gidMappings`).length;
  if (!asked && !uids && !gids) return;
  const isBind = mount.type === 'bind' || mount.options?.some((option) => option === 'bind' || option === 'rbind');
  if (!isBind) invalid(at, 'is id-mapped, which only bind mounts can be');
  if (Boolean(uids) !== Boolean(gids)) invalid(`${at}.uidMappings`, 'and gidMappings must both be given, or neither');
  if (!uids && !linux?.namespaces?.some(({ type }) => type === 'user'))
    invalid(`${at}.uidMappings`, 'are needed for an id-mapped mount of a container without a user namespace');
}

export function validateProcess(process: Process, at: string): void {
  object(process, at);
  const args = list(process.args, `${at}.args`);
  if (args.length === 0) invalid(`${at}.args`, 'must not be empty');
  for (const arg of args) text(arg, `${at}.args`);
  for (const entry of list(process.env, `${at}.env`)) text(entry, `${at}.env`);
  text(process.cwd, `${at}.cwd`);
  if (!isAbsolute(process.cwd))
    throw new EngineError('InvalidArgument', 'Cwd must be an absolute path', { layer: 'runtime', details: { field: `${at}.cwd` } });
  for (const rlimit of list(process.rlimits, `${at}.rlimits`)) {
    if (RLIMITS[rlimit.type] === undefined) invalid(`${at}.rlimits`, `has the unknown type ${show(rlimit.type)}`);
    if (rlimit.soft > rlimit.hard && rlimit.hard >= 0) invalid(`${at}.rlimits`, `${rlimit.type}: the soft limit is above the hard one`);
  }
  for (const id of [process.user?.uid, process.user?.gid, ...(process.user?.additionalGids ?? [])]) {
    if (id !== undefined && !(Number.isInteger(id) && id >= 0 && id < 2 ** 32))
      invalid(`${at}.user`, `has the id ${show(id)}, which is no number from 0 to 4294967294`);
  }
}

function validateHooks(hooks: Hooks): void {
  for (const kind of HOOK_KINDS) {
    for (const [index, hook] of list(hooks[kind], `hooks.${kind}`).entries()) {
      text(hook.path, `hooks.${kind}[${index}].path`);
      if (!isAbsolute(hook.path)) invalid(`hooks.${kind}[${index}].path`, 'must be absolute');
      if (hook.timeout !== undefined && hook.timeout <= 0) invalid(`hooks.${kind}[${index}].timeout`, 'must be greater than 0');
    }
  }
}

function validateLinux(linux: Linux): void {
  for (const field of ['intelRdt', 'memoryPolicy', 'netDevices'] as const) {
    if (linux[field] !== undefined)
      throw new EngineError('NotImplemented', `config.json: linux.${field} is not supported by this runtime`, {
        layer: 'runtime',
        details: { field },
      });
  }
  const seen = new Set<string>();
  for (const namespace of list(linux.namespaces, 'linux.namespaces')) {
    if (!NAMESPACE_TYPES.includes(namespace.type)) invalid('linux.namespaces', `has the unknown type ${show(namespace.type)}`);
    if (seen.has(namespace.type)) invalid('linux.namespaces', `has ${namespace.type} twice`);
    if (namespace.path && !isAbsolute(namespace.path))
      invalid('linux.namespaces', `${namespace.type}: the path ${namespace.path} is not absolute`);
    seen.add(namespace.type);
  }
  if (linux.rootfsPropagation && propagationFlags(linux.rootfsPropagation) === undefined)
    invalid('linux.rootfsPropagation', `has the unknown value ${show(linux.rootfsPropagation)}`);
  for (const [index, device] of list(linux.devices, 'linux.devices').entries()) {
    if (!['c', 'b', 'u', 'p'].includes(device.type))
      invalid(`linux.devices[${index}].type`, `must be c, b, u or p, not ${show(device.type)}`);
    if (!isAbsolute(device.path ?? '')) invalid(`linux.devices[${index}].path`, 'must be absolute');
  }
  for (const key of ['maskedPaths', 'readonlyPaths'] as const) {
    for (const path of list(linux[key], `linux.${key}`))
      if (!isAbsolute(path)) invalid(`linux.${key}`, `has the relative path ${show(path)}`);
  }
  for (const [key, value] of Object.entries(linux.sysctl ?? {})) {
    text(value, `linux.sysctl[${key}]`);
    validateSysctl(key, seen, linux);
  }
}

const IPC_SYSCTLS = [
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
];

/** Only what belongs to a namespace of the container may be set; anything else would change the host. */
function validateSysctl(key: string, namespaces: Set<string>, linux: Linux): void {
  const name = key.includes('/') ? key.replaceAll('/', '.') : key;
  const needs = (type: 'ipc' | 'network' | 'uts') => {
    if (!namespaces.has(type)) invalid('linux.sysctl', `${key} is not allowed without a new ${type} namespace`);
  };
  if (IPC_SYSCTLS.includes(name) || name.startsWith('fs.mqueue.')) needs('ipc');
  else if (name.startsWith('net.')) {
    needs('network');
    const network = linux.namespaces?.find((namespace) => namespace.type === 'network');
    if (network?.path === '/proc/1/ns/net') invalid('linux.sysctl', `${key} is not allowed in the host's network namespace`);
  } else if (name === 'kernel.domainname' || name === 'kernel.hostname') needs('uts');
  else if (!name.startsWith('user.')) invalid('linux.sysctl', `${key} is not in a separate kernel namespace`);
}

function invalid(field: string, what: string): never {
  throw new EngineError('InvalidArgument', `config.json: ${field} ${what}`, { layer: 'runtime', details: { field } });
}

function object(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    invalid(field, value === undefined ? 'is missing' : 'must be an object');
}

function text(value: unknown, field: string): void {
  if (typeof value !== 'string') invalid(field, value === undefined ? 'is missing' : `must be a string, not ${show(value)}`);
  if (value.includes('\0')) invalid(field, 'contains a null byte');
}

function list<T>(value: T[] | undefined | null, field: string): T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) invalid(field, `must be an array, not ${show(value)}`);
  return value;
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
