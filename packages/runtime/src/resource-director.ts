// Shares of the last-level cache and of memory bandwidth, and their measurement (Intel RDT, through the resctrl file system): the
// kernel's filesystems/resctrl.rst, runtime-spec config-linux.md "IntelRdt". Runs in the parent: init's tasks file before it is started,
// the directories again at delete. A container without a closID has a directory of its own, else it shares one.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '@berth/errdefs/engine-error';
import type { IntelRdt } from '@berth/oci/runtime-spec';

/** Throws InvalidArgument for a bad class, FailedPrecondition where the kernel offers none of it. */
export function validateIntelRdt({ closID = '' }: IntelRdt, root = resctrlRoot()): void {
  if (closID === '.' || closID === '..' || closID.includes('/'))
    throw invalid('InvalidArgument', `invalid intelRdt.ClosID ${JSON.stringify(closID)}`);
  if (root === undefined)
    throw invalid(
      'FailedPrecondition',
      'intelRdt is specified in config, but Intel RDT is not enabled: mount -t resctrl resctrl /sys/fs/resctrl (the processor must have it)',
    );
}

/** Puts init into its class. `leaveResctrl` undoes it, also half done. */
export function enterResctrl(rdt: IntelRdt, id: string, pid: number, root = resctrlRoot() ?? ''): void {
  const lines = [rdt.l3CacheSchema, rdt.memBwSchema].flatMap((schema) => (schema ? [schema] : [])).concat(rdt.schemata ?? []);
  const directory = join(root, rdt.closID || id);
  if (!existsSync(directory)) {
    if (rdt.closID && lines.length === 0)
      throw invalid('FailedPrecondition', `the class ${rdt.closID} does not exist, and there is no schema to make it with`);
    telling(root, () => mkdirSync(directory));
  }
  if (lines.length > 0) telling(root, () => writeFileSync(join(directory, 'schemata'), `${lines.join('\n')}\n`));
  telling(root, () => writeFileSync(join(directory, 'tasks'), String(pid)));
  if (!rdt.enableMonitoring) return;
  const group = monitoringGroup(directory, id);
  if (!existsSync(group)) telling(root, () => mkdirSync(group));
  telling(root, () => writeFileSync(join(group, 'tasks'), String(pid)));
}

/** What an update may name; the rest of a class stays as it is. */
export type RdtSchemas = Pick<IntelRdt, 'l3CacheSchema' | 'memBwSchema'>;

/** New shares for a container. One that had none gets a class of its own, with its init in it. Returns what it has from then on. */
export function updateResctrl(old: IntelRdt | undefined, schemas: RdtSchemas, id: string, pid: number, root = resctrlRoot()): IntelRdt {
  const has = (resource: string) => root !== undefined && existsSync(join(root, 'info', resource));
  if (schemas.l3CacheSchema && !has('L3')) throw notEnabled('Intel RDT/CAT: l3 cache schema is not enabled');
  if (schemas.memBwSchema && !has('MB')) throw notEnabled('Intel RDT/MBA: memory bandwidth schema is not enabled');
  const rdt = { ...old, ...schemas };
  enterResctrl(rdt, id, pid, root);
  return rdt;
}

/** Removes what is the container's alone: a class with a name stays, for whoever shares it. */
export function leaveResctrl(rdt: IntelRdt, id: string, root = resctrlRoot() ?? ''): void {
  const directory = join(root, rdt.closID || id);
  for (const path of [...(rdt.enableMonitoring ? [monitoringGroup(directory, id)] : []), ...(rdt.closID ? [] : [directory])]) {
    try {
      rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function monitoringGroup(directory: string, id: string): string {
  return join(directory, 'mon_groups', id);
}

/** Where resctrl is mounted, if it is. */
function resctrlRoot(): string | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((each) => each.includes(' - resctrl '));
  return line?.split(' ')[4];
}

/** The kernel says why it refused in a file of its own; errno alone is EINVAL for everything. */
function telling(root: string, step: () => void): void {
  try {
    step();
  } catch (cause) {
    let why = '';
    try {
      why = readFileSync(join(root, 'info', 'last_cmd_status'), 'utf8').trim();
    } catch {
      // No such file: errno must do.
    }
    throw new EngineError('InvalidArgument', `intelRdt: ${why || (cause as Error).message}`, { layer: 'runtime', cause });
  }
}

function notEnabled(message: string): EngineError {
  return new EngineError('FailedPrecondition', message, { layer: 'runtime' });
}

function invalid(kind: 'InvalidArgument' | 'FailedPrecondition', message: string): EngineError {
  return new EngineError(kind, `config.json: linux.intelRdt: ${message}`, { layer: 'runtime', details: { field: 'linux.intelRdt' } });
}
