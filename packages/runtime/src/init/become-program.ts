// The last steps of any process of a container, init's and exec's alike: standard streams, identity, capabilities, seccomp, execve.
// The order matters: what needs privileges comes before they are dropped, and nothing of the host may still be open at the end.
import { fchownSync, fstatSync, readFileSync, statSync } from 'node:fs';
import { EngineError, SysError } from '@berth/errdefs/engine-error';
import { errnoText } from '@berth/sys/libc';
import { accessErrno, chdir, currentDirectory, dup2, dupAbove, setCloseOnExec } from '@berth/sys/path';
import * as sys from '@berth/sys/process';
import type { ProcessPlan } from '../plan.ts';
import type { ResolvedRlimit } from '../rlimits.ts';
import { loadFilter } from '../seccomp/filter.ts';
import { ignoredSignals } from '../signals.ts';
import { applyScheduling } from './scheduling.ts';

/** 1, 3 as st_rdev has it. */
const NULL_DEVICE = (1 << 8) | 3;
const EXECUTE = 1;
/** This process, which reserves gigabytes of addresses, could not do another step under them. */
const STARVING: readonly number[] = [sys.RLIMIT.DATA, sys.RLIMIT.AS];

/** 0, 1 and 2 become what the plan says. Sources below 3 are moved out of the way first, so the order does not matter. */
export function useDescriptors(stdio: { stdin: number; stdout: number; stderr: number }): void {
  const sources = [stdio.stdin, stdio.stdout, stdio.stderr];
  const safe = sources.map((fd, index) => (fd === index || fd > 2 ? fd : dupAbove(fd, 3)));
  for (const [index, fd] of safe.entries()) dup2(fd, index);
}

export function isNullDevice(fd: number): boolean {
  const status = fstatSync(fd);
  return status.isCharacterDevice() && status.rdev === NULL_DEVICE;
}

/**
 * User, groups, capabilities, umask, working directory; the program's path. `passListener` gives away the descriptor of the filter's
 * supervisor, which answers for the kernel from there on. Throws runc's wordings.
 */
export function prepareProgram(plan: ProcessPlan, passListener: (listener: number) => void): string {
  const { process: spec } = plan;
  const user = { uid: 0, gid: 0, ...spec.user };
  sys.closeOnExecFrom(3 + plan.preserveFds);
  for (let fd = 3; fd < 3 + plan.preserveFds; fd++) setCloseOnExec(fd, false);
  applyScheduling(spec, plan.linux);
  // Without no_new_privs a filter may be set only by a privileged process: so before the capabilities go.
  // One with a supervisor too, as long as somebody can take its descriptor.
  if (plan.filter?.notify && spec.noNewPrivileges) sys.setNoNewPrivileges();
  if (plan.filter && (plan.filter.notify || !spec.noNewPrivileges)) {
    const listener = loadFilter(plan.filter);
    if (listener !== undefined) passListener(listener);
  }
  if (plan.capabilities) dropBounding(plan);
  // A program may start in a directory that only root can enter, and in one that only its user can.
  const early = tryChdir(spec.cwd);
  giveStreamsTo(user.uid);
  setRlimits(plan.rlimits.filter(({ resource }) => !STARVING.includes(resource)));
  sys.setKeepCapabilities(true);
  if (!plan.setgroupsDenied) sys.setGroups(user.additionalGids ?? []);
  sys.setGid(user.gid);
  sys.setUid(user.uid);
  if (early) {
    const late = tryChdir(spec.cwd);
    if (late)
      throw new EngineError(late.kind, `chdir to cwd (${JSON.stringify(spec.cwd)}) set in config.json failed: ${errnoText(late.code)}`, {
        layer: 'runtime',
        cause: late,
      });
  }
  // A descriptor that was left open must not have led out of the root (CVE-2024-21626).
  if (currentDirectory() === undefined)
    throw new EngineError(
      'PermissionDenied',
      'current working directory is outside of container mount namespace root -- possible container breakout detected',
      { layer: 'runtime' },
    );
  sys.setKeepCapabilities(false);
  if (plan.capabilities) {
    const { effective, permitted, inheritable, ambient } = plan.capabilities;
    sys.setCapabilities({ effective, permitted, inheritable });
    sys.clearAmbientCapabilities();
    // The kernel refuses what is not inheritable as well; runc, whose own default specification asks for that, goes on without it.
    const held = permitted & inheritable;
    for (const capability of ambient) if ((held >> BigInt(capability)) & 1n) sys.raiseAmbientCapability(capability);
  }
  sys.umask(user.umask ?? 0o022);
  if (!plan.env.some((entry) => entry.startsWith('HOME='))) plan.env.push(`HOME=${homeOf(user.uid)}`);
  return lookUp(plan.args[0] ?? '', plan.env);
}

/** Whether it gets limits under which only its program can go on. */
export function needsRoom(plan: ProcessPlan): boolean {
  return plan.rlimits.some(({ resource }) => STARVING.includes(resource));
}

/** What can wait until here must: the filter may refuse whatever setting up needs. */
export function confine(plan: ProcessPlan): void {
  if (!plan.process.noNewPrivileges) return;
  sys.setNoNewPrivileges();
  if (plan.filter && !plan.filter.notify) loadFilter(plan.filter);
}

/** Does not return, unless by throwing. */
export function executeProgram(plan: ProcessPlan, path: string): never {
  setRlimits(plan.rlimits.filter(({ resource }) => STARVING.includes(resource)));
  sys.defaultSignals(ignoredSignals());
  sys.unblockAllSignals();
  try {
    sys.execve(path, plan.args, plan.env);
  } catch (cause) {
    throw cause instanceof SysError
      ? new EngineError(cause.kind, `exec ${path}: ${errnoText(cause.code)}`, { layer: 'runtime', cause })
      : cause;
  }
}

function setRlimits(rlimits: readonly ResolvedRlimit[]): void {
  for (const { name, resource, soft, hard } of rlimits) {
    try {
      sys.setRlimit(resource, soft, hard);
    } catch (cause) {
      throw new EngineError('PermissionDenied', `error setting rlimit type ${resource} (${name}): ${(cause as Error).message}`, {
        layer: 'runtime',
        cause,
      });
    }
  }
}

function dropBounding(plan: ProcessPlan): void {
  const keep = plan.capabilities?.bounding ?? 0n;
  for (let capability = 0; capability <= plan.lastCapability; capability++) {
    if (!((keep >> BigInt(capability)) & 1n)) sys.dropBoundingCapability(capability);
  }
}

function tryChdir(path: string): SysError | undefined {
  try {
    chdir(path);
    return undefined;
  } catch (error) {
    if (error instanceof SysError) return error;
    throw error;
  }
}

/** The program's user owns its standard streams, so that it can open /dev/stdout; the null device is everybody's. */
function giveStreamsTo(uid: number): void {
  for (const fd of [0, 1, 2]) {
    try {
      if (fstatSync(fd).uid !== uid && !isNullDevice(fd)) fchownSync(fd, uid, fstatSync(fd).gid);
    } catch {
      // Read-only file systems, sockets and ids without a mapping cannot be given away; the program runs all the same.
    }
  }
}

function homeOf(uid: number): string {
  try {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const fields = line.split(':');
      if (fields[2] === String(uid) && fields[5]) return fields[5];
    }
  } catch {
    // No such file: the same as no such user.
  }
  return '/';
}

/** The file that `name` means, as execvp looks for it but with runc's errors, which Docker turns into exit codes 126 and 127. */
export function lookUp(name: string, env: readonly string[]): string {
  const fail = (what: string, kind: 'NotFound' | 'PermissionDenied' = 'NotFound') =>
    new EngineError(kind, `exec: ${JSON.stringify(name)}: ${what}`, { layer: 'runtime' });
  if (name.includes('/')) {
    const problem = problemWith(name);
    if (problem === 'ENOENT' || problem === 'ENOTDIR' || problem === 'ELOOP') throw fail(`stat ${name}: ${errnoText(problem)}`);
    if (problem === 'EISDIR') throw fail('is a directory', 'PermissionDenied');
    if (problem) throw fail('permission denied', 'PermissionDenied');
    return name;
  }
  const found = pathCandidates(name, env).find((candidate) => !problemWith(candidate));
  if (found !== undefined) return found;
  throw fail('executable file not found in $PATH');
}

/** The files that `name` may mean, in order. */
export function pathCandidates(name: string, env: readonly string[]): string[] {
  if (name.includes('/')) return [name];
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice(5) ?? '';
  return path.split(':').map((directory) => `${directory || '.'}/${name}`);
}

function problemWith(path: string): string | undefined {
  try {
    if (statSync(path).isDirectory()) return 'EISDIR';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO';
  }
  return accessErrno(path, EXECUTE) === 0 ? undefined : 'EACCES';
}
