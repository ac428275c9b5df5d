// A bundle: its config.json, read and checked (runtime-spec bundle.md, config.md). Runs in the parent. Errors are one line and name
// the field. shape.ts checks what each field may hold by itself, this file what fields mean to each other; what the kernel checks
// itself is left to it.
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import { HOOK_KINDS, type Hooks, type Linux, type LinuxResources, type Mount, type Process, type Spec } from '@berth/oci/runtime-spec';
import { isIpcSysctl } from '@berth/oci/sysctls';
import { execAffinity } from './cpu-affinity.ts';
import { parseMemoryPolicy } from './memory-policy.ts';
import { validateNetDevices } from './net-devices.ts';
import { validateIntelRdt } from './resource-director.ts';
import { checkShape, invalid, show, step } from './shape.ts';
import { PROCESS, RESOURCES, SPEC } from './spec-fields.ts';

/** __NEW_UTS_LEN: the kernel takes no longer name. */
const MAX_HOST_NAME = 64;

/** Not checked yet. */
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
  return parseDocument(text, path) as Spec;
}

/** JSON of somebody else; `path` is what the error calls it. */
export function parseDocument(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = (cause as Error).message.replaceAll(/\s+/g, ' ');
    throw new EngineError('InvalidArgument', `${path} is not valid JSON: ${reason}`, { layer: 'runtime', cause });
  }
}

/** Where the root file system is. */
export function rootfsPath(bundle: string, spec: Spec): string {
  const path = spec.root?.path ?? '';
  return isAbsolute(path) ? path : join(bundle, path);
}

/** Throws InvalidArgument for the first thing that is wrong. Fields that are null are deleted. */
export function validateSpec(spec: Spec): void {
  checkShape(spec, SPEC, '');
  if (!/^1\.\d+\.\d+/.test(spec.ociVersion)) invalid('ociVersion', `must be a version 1.x.y, not ${show(spec.ociVersion)}`);
  if (!spec.root) invalid('root', 'is missing');
  if (spec.root.path === '') invalid('root.path', 'must not be empty');
  if (!spec.process) invalid('process', 'is missing');
  checkProcess(spec.process, 'process');
  for (const [index, mount] of (spec.mounts ?? []).entries()) {
    if (mount.destination === '') invalid(`mounts[${index}].destination`, 'must not be empty');
    checkIdMap(mount, `mounts[${index}]`, spec.linux);
  }
  if (spec.hooks) checkHooks(spec.hooks);
  if (spec.linux) checkLinux(spec.linux);
  checkNamespaces(spec);
}

function checkNamespaces({ hostname, domainname, linux = {} }: Spec): void {
  const isNew = (type: string) => linux.namespaces?.some((namespace) => namespace.type === type && !namespace.path);
  const has = (type: string) => linux.namespaces?.some((namespace) => namespace.type === type);
  for (const [field, name] of Object.entries({ hostname, domainname })) {
    if (!name) continue;
    if (!has('uts')) invalid(field, 'needs a UTS namespace of its own: add {"type": "uts"} to linux.namespaces');
    if (Buffer.byteLength(name) > MAX_HOST_NAME) invalid(field, `must not be longer than ${MAX_HOST_NAME} bytes`);
  }
  if (linux.uidMappings?.length && !has('user'))
    invalid('linux.uidMappings', 'need a user namespace: add {"type": "user"} to linux.namespaces');
  for (const field of ['uidMappings', 'gidMappings'] as const)
    if (isNew('user') && !linux[field]?.length) invalid(`linux.${field}`, 'are needed for a new user namespace');
  if (!has('mount') && (linux.maskedPaths?.length || linux.readonlyPaths?.length))
    invalid('linux.maskedPaths', 'and readonlyPaths need a mount namespace: add {"type": "mount"} to linux.namespaces');
  if (Object.keys(linux.timeOffsets ?? {}).length && !isNew('time'))
    invalid('linux.timeOffsets', 'need a new time namespace: add {"type": "time"} to linux.namespaces');
}

function checkIdMap(mount: Mount, at: string, linux: Linux | undefined): void {
  const asked = mount.options?.some((option) => option === 'idmap' || option === 'ridmap');
  const { uidMappings: uids = [], gidMappings: gids = [] } = mount;
  if (!asked && !uids.length && !gids.length) return;
  const isBind = mount.type === 'bind' || mount.options?.some((option) => option === 'bind' || option === 'rbind');
  if (!isBind) invalid(at, 'is id-mapped, which only bind mounts can be');
  if (Boolean(uids.length) !== Boolean(gids.length)) invalid(`${at}.uidMappings`, 'and gidMappings must both be given, or neither');
  if (!uids.length && !linux?.namespaces?.some(({ type }) => type === 'user'))
    invalid(`${at}.uidMappings`, 'are needed for an id-mapped mount of a container without a user namespace');
}

/** The same for a further process, which comes without the rest of the document. */
export function validateProcess(process: Process, at: string): void {
  checkShape(process, PROCESS, at);
  checkProcess(process, at);
}

/** The same for an update. */
export function validateResources(resources: LinuxResources): void {
  checkShape(resources, RESOURCES, 'linux.resources');
  checkResources(resources);
}

function checkProcess(process: Process, at: string): void {
  if (!process.args?.length) invalid(`${at}.args`, 'must not be empty');
  if (!isAbsolute(process.cwd))
    throw new EngineError('InvalidArgument', 'Cwd must be an absolute path', { layer: 'runtime', details: { field: `${at}.cwd` } });
  execAffinity(process);
  for (const [index, { type, soft, hard }] of (process.rlimits ?? []).entries()) {
    const value = (limit: number) => (limit < 0 ? Number.POSITIVE_INFINITY : limit);
    if (value(soft) > value(hard)) invalid(`${at}.rlimits[${index}]`, `${type}: the soft limit is above the hard one`);
  }
}

function checkHooks(hooks: Hooks): void {
  for (const kind of HOOK_KINDS) {
    for (const [index, { path }] of (hooks[kind] ?? []).entries())
      if (!isAbsolute(path)) invalid(`hooks.${kind}[${index}].path`, 'must be absolute');
  }
}

function checkLinux(linux: Linux): void {
  if (linux.memoryPolicy) parseMemoryPolicy(linux.memoryPolicy);
  if (linux.intelRdt) validateIntelRdt(linux.intelRdt);
  validateNetDevices(linux);
  const seen = new Set<string>();
  for (const [index, { type, path }] of (linux.namespaces ?? []).entries()) {
    if (seen.has(type)) invalid('linux.namespaces', `has ${type} twice`);
    if (path && !isAbsolute(path)) invalid(`linux.namespaces[${index}].path`, `of ${type} must be absolute, not ${show(path)}`);
    seen.add(type);
  }
  for (const [index, { path }] of (linux.devices ?? []).entries())
    if (!isAbsolute(path)) invalid(`linux.devices[${index}].path`, 'must be absolute');
  for (const key of ['maskedPaths', 'readonlyPaths'] as const) {
    for (const [index, path] of (linux[key] ?? []).entries())
      if (!isAbsolute(path)) invalid(`linux.${key}[${index}]`, `must be absolute, not ${show(path)}`);
  }
  for (const key of Object.keys(linux.sysctl ?? {})) checkSysctl(key, seen, linux);
  if (linux.personality?.flags?.length) invalid('linux.personality.flags', 'must be empty: the specification has none yet');
  if (linux.resources) checkResources(linux.resources);
}

function checkResources(resources: LinuxResources): void {
  // It becomes part of a file's name.
  for (const [index, { pageSize }] of (resources.hugepageLimits ?? []).entries())
    if (!/^[1-9]\d*[KMG]B$/.test(pageSize))
      invalid(`linux.resources.hugepageLimits[${index}].pageSize`, `must be a size like 2MB, not ${show(pageSize)}`);
}

/** Only what belongs to a namespace of the container may be set; anything else would change the host. */
function checkSysctl(key: string, namespaces: Set<string>, linux: Linux): void {
  const field = `linux.sysctl${step(key)}`;
  const byPath = key.includes('/');
  // The first word decides what is allowed: no step may lead back from it.
  if (byPath && key.split('/').some((part) => ['', '.', '..'].includes(part))) invalid(field, 'is not the name of a sysctl');
  const name = byPath ? key.replaceAll('/', '.') : key;
  const needs = (type: 'ipc' | 'network' | 'uts') => {
    if (!namespaces.has(type)) invalid(field, `is not allowed without a new ${type} namespace`);
  };
  if (isIpcSysctl(name)) needs('ipc');
  else if (name.startsWith('net.')) {
    needs('network');
    const network = linux.namespaces?.find((namespace) => namespace.type === 'network');
    if (network?.path === '/proc/1/ns/net') invalid(field, "is not allowed in the host's network namespace");
  } else if (name === 'kernel.domainname' || name === 'kernel.hostname') needs('uts');
  else if (!name.startsWith('user.')) invalid(field, 'is not in a separate kernel namespace');
}
