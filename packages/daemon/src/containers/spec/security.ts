// What a container may not see or do beside its capabilities: masked and read-only paths, and --security-opt.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxSeccomp } from '@berth/oci/runtime-spec';
import { DEFAULT_SECCOMP_PROFILE } from './seccomp-default.ts';
import { type ProfileContext, parseProfile, resolveProfile } from './seccomp-profile.ts';

/** Kernel files that tell about, or act on, the whole machine (moby's daemon/pkg/oci/defaults). */
export const MASKED_PATHS: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
export const READONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** 'builtin', 'unconfined' or a profile as JSON; undefined: the daemon's default. */
  readonly seccomp: string | undefined;
  readonly apparmor: string | undefined;
  /** systempaths=unconfined: nothing is masked. */
  readonly systemPathsUnconfined: boolean;
}

/** Throws InvalidArgument with moby's wording. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  const parsed = {
    noNewPrivileges: false,
    seccomp: undefined as string | undefined,
    apparmor: undefined as string | undefined,
    systemPathsUnconfined: false,
  };
  for (const option of options) {
    if (option === 'no-new-privileges') {
      parsed.noNewPrivileges = true;
      continue;
    }
    if (option === 'disable' || option === 'writable-cgroups') continue;
    const match = /^([^=:]+)[=:](.*)$/s.exec(option);
    const value = match?.[2] ?? '';
    switch (match?.[1]) {
      case 'no-new-privileges':
        if (!/^(true|false|1|0)$/i.test(value)) throw invalid(option);
        parsed.noNewPrivileges = /^(true|1)$/i.test(value);
        break;
      case 'seccomp':
        parsed.seccomp = value;
        break;
      case 'apparmor':
        parsed.apparmor = value;
        break;
      case 'systempaths':
        if (value !== 'unconfined') throw invalid(option);
        parsed.systemPathsUnconfined = true;
        break;
      // SELinux labels: kernels without SELinux ignore them, and so does dockerd there.
      case 'label':
        break;
      default:
        throw invalid(option);
    }
  }
  return parsed;
}

/** The filter of a container, or undefined for none: `builtin` is Docker's profile, a path or JSON text another one of its format. */
export function seccompOf(setting: string, context: ProfileContext): LinuxSeccomp | undefined {
  if (setting === 'unconfined') return undefined;
  if (setting === 'builtin' || setting === '') return resolveProfile(DEFAULT_SECCOMP_PROFILE, context);
  return resolveProfile(parseProfile(setting.trimStart().startsWith('{') ? setting : readProfile(setting)), context);
}

function readProfile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new EngineError('InvalidArgument', `opening seccomp profile (${path}) failed: ${(cause as Error).message}`, {
      layer: 'daemon',
      cause,
    });
  }
}

function invalid(option: string): EngineError {
  return new EngineError('InvalidArgument', `invalid --security-opt 2: "${option}"`, { layer: 'daemon' });
}
