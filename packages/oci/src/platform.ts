// Platforms, `os/architecture[/variant]`, and which of an index's manifests runs here. Names are Go's GOOS and GOARCH;
// the order among variants is containerd's: an arm v7 machine runs v6 and v5 as well, an amd64 one its lower microarchitectures.
import { EngineError } from '@berth/errdefs/engine-error';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
  'os.version'?: string;
  'os.features'?: string[];
}

const ARCHITECTURE_ALIAS: Record<string, string> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  i386: '386',
  i686: '386',
  ia32: '386',
};
const ALIAS_VARIANT: Record<string, string> = { armhf: 'v7', armel: 'v6' };
const KNOWN_ARCHITECTURES = new Set('386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm'.split(' '));
const KNOWN_SYSTEMS = new Set('linux windows darwin freebsd netbsd openbsd solaris android wasip1'.split(' '));

export function hostPlatform(arch: string = process.arch): Platform {
  return normalize({ os: 'linux', architecture: arch });
}

/** `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`; what is missing is this host's. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new EngineError('InvalidArgument', `"${text}" is an invalid platform: use os[/architecture[/variant]], for example linux/arm64`);
  }
  const [first = '', second, variant] = parts.map((part) => part.toLowerCase());
  if (second === undefined) {
    if (KNOWN_SYSTEMS.has(first)) return { ...hostPlatform(), os: first };
    if (KNOWN_ARCHITECTURES.has(first) || first in ARCHITECTURE_ALIAS) return normalize({ os: 'linux', architecture: first });
    throw new EngineError('InvalidArgument', `"${text}": unknown operating system or architecture: invalid argument`);
  }
  return normalize(variant === undefined ? { os: first, architecture: second } : { os: first, architecture: second, variant });
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
}

/** One spelling for each platform: aliases resolved, variants that say nothing left out. */
export function normalize(platform: Platform): Platform {
  const given = platform.architecture.toLowerCase();
  const architecture = ARCHITECTURE_ALIAS[given] ?? given;
  let variant: string | undefined = (platform.variant?.toLowerCase() ?? ALIAS_VARIANT[given]) || undefined;
  if (architecture === 'arm' && variant !== undefined && /^[5-8]$/.test(variant)) variant = `v${variant}`;
  if (architecture === 'arm' && variant === undefined) variant = 'v7';
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = undefined;
  if (architecture === 'amd64' && variant === 'v1') variant = undefined;
  const { variant: _given, ...rest } = platform;
  return { ...rest, os: platform.os.toLowerCase(), architecture, ...(variant === undefined ? {} : { variant }) };
}

/** How well `candidate` runs on `wanted`: 0 is best, larger is worse, undefined does not run at all. */
export function rank(wanted: Platform, candidate: Platform): number | undefined {
  const want = normalize(wanted);
  const have = normalize(candidate);
  if (want.os !== have.os) return undefined;
  if (want.architecture === have.architecture) {
    const level = levelOf(want);
    const offered = levelOf(have);
    if (want.variant === have.variant) return 0;
    return level === undefined || offered === undefined || offered > level ? undefined : level - offered;
  }
  // A 64-bit arm machine runs 32-bit arm images, after everything of its own.
  if (want.architecture === 'arm64' && have.architecture === 'arm') return 100 - (levelOf(have) ?? 0);
  return undefined;
}

/** The item whose platform fits `wanted` best, first of equals; items without a platform never match. */
export function bestMatch<T extends { platform?: Platform }>(wanted: Platform, items: readonly T[]): T | undefined {
  let best: T | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const itemRank = item.platform === undefined ? undefined : rank(wanted, item.platform);
    if (itemRank !== undefined && itemRank < bestRank) {
      best = item;
      bestRank = itemRank;
    }
  }
  return best;
}

function levelOf(platform: Platform): number | undefined {
  if (platform.variant === undefined) return platform.architecture === 'amd64' ? 1 : platform.architecture === 'arm64' ? 8 : undefined;
  const digits = /^v(\d+)$/.exec(platform.variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
