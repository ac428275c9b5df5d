// Docker's seccomp profiles: rules that hold for some capabilities, architectures and kernels only. resolveProfile decides them
// for one container and gives the runtime-spec form that a bundle carries.
//
// Pure. Facts: Docker's documented profile format (`--security-opt seccomp=profile.json`); wordings are dockerd's.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxSeccomp, SeccompAction, SeccompSyscall } from '@berth/oci/runtime-spec';

export interface SeccompProfile {
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  /** Fixed, or by the host's architecture; not both. */
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: ProfileRule[];
}

export interface ProfileRule {
  /** Old profiles name one call a rule. */
  name?: string;
  names?: string[];
  action: SeccompAction;
  errnoRet?: number;
  args?: SeccompSyscall['args'] | null;
  includes?: ProfileFilter;
  excludes?: ProfileFilter;
  comment?: string;
}

/** Included: every capability, one of the architectures, this kernel or later. Excluded: any of these. */
export interface ProfileFilter {
  caps?: string[];
  /** Go's names: amd64, arm64, arm, x86, x32. */
  arches?: string[];
  /** `4.8` */
  minKernel?: string;
}

/** What the rules are decided by. */
export interface ProfileContext {
  /** The container's bounding set, as `CAP_SYS_ADMIN`. */
  capabilities: readonly string[];
  /** process.arch */
  architecture: 'x64' | 'arm64' | string;
  /** os.release() */
  kernel: string;
}

const GO_ARCHITECTURE: Record<string, string> = { x64: 'amd64', arm64: 'arm64', riscv64: 'riscv64', s390x: 's390x', ppc64: 'ppc64le' };
const SECCOMP_ARCHITECTURE: Record<string, string> = {
  x64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  riscv64: 'SCMP_ARCH_RISCV64',
  s390x: 'SCMP_ARCH_S390X',
  ppc64: 'SCMP_ARCH_PPC64LE',
};

/** Reads the JSON that a client sent. */
export function parseProfile(text: string): SeccompProfile {
  let profile: unknown;
  try {
    profile = JSON.parse(text);
  } catch (cause) {
    throw invalid(`Decoding seccomp profile failed: ${(cause as Error).message}`, cause);
  }
  if (typeof profile !== 'object' || profile === null || Array.isArray(profile))
    throw invalid('Decoding seccomp profile failed: it is not a JSON object');
  if (typeof (profile as SeccompProfile).defaultAction !== 'string')
    throw invalid('Decoding seccomp profile failed: defaultAction is missing');
  return profile as SeccompProfile;
}

export function resolveProfile(profile: SeccompProfile, context: ProfileContext): LinuxSeccomp {
  if (profile.architectures?.length && profile.archMap?.length) {
    throw invalid("'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'");
  }
  const { defaultAction, defaultErrnoRet, flags, listenerPath, listenerMetadata } = profile;
  return {
    defaultAction,
    defaultErrnoRet,
    architectures: profile.architectures?.length ? profile.architectures : architecturesFor(profile, context),
    flags,
    listenerPath,
    listenerMetadata,
    syscalls: (profile.syscalls ?? []).filter((rule) => applies(rule, context)).map(toSyscall),
  };
}

function architecturesFor({ archMap = [] }: SeccompProfile, { architecture }: ProfileContext): string[] | undefined {
  const native = SECCOMP_ARCHITECTURE[architecture];
  const entry = archMap.find((each) => each.architecture === native);
  return entry && [entry.architecture, ...(entry.subArchitectures ?? [])];
}

function applies({ includes = {}, excludes = {} }: ProfileRule, { capabilities, architecture, kernel }: ProfileContext): boolean {
  const go = GO_ARCHITECTURE[architecture] ?? architecture;
  if (excludes.arches?.includes(go)) return false;
  if (excludes.caps?.some((capability) => capabilities.includes(capability))) return false;
  if (excludes.minKernel !== undefined && atLeast(kernel, excludes.minKernel)) return false;
  if (includes.arches?.length && !includes.arches.includes(go)) return false;
  if (includes.caps?.some((capability) => !capabilities.includes(capability))) return false;
  return includes.minKernel === undefined || atLeast(kernel, includes.minKernel);
}

function toSyscall({ name, names, action, errnoRet, args }: ProfileRule): SeccompSyscall {
  if (name && names?.length) throw invalid("'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'");
  return { names: name ? [name] : (names ?? []), action, errnoRet, args: args ?? undefined };
}

/** Compares `6.1.0-18-amd64` with `4.8`. */
function atLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = numbers(kernel);
  const [wantedMajor = 0, wantedMinor = 0] = numbers(wanted);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function numbers(version: string): number[] {
  return version
    .split('.')
    .slice(0, 2)
    .map((part) => Number.parseInt(part, 10) || 0);
}

function invalid(message: string, cause?: unknown): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'daemon', cause });
}
