// The options of a mount, as config.json writes them (runtime-spec config.md "Linux mount options" and mount(8)), in the form that the
// kernel's calls take. Pure; runs in the parent.
import { ATTR, MS } from '@berth/sys/mount';

export interface ParsedMountOptions {
  /** Flags of mount(2), without MS.BIND and MS.REC. */
  flags: number;
  /** The mount is a bind mount (also when its type says so). */
  bind: boolean;
  /** MS.REC of a bind mount. */
  recursive: boolean;
  remount: boolean;
  /** Per-mount attributes, set and cleared. */
  attributes: AttributeChange;
  /** The same, for the whole tree: the r-variants. */
  recursiveAttributes: AttributeChange;
  /** Changes of propagation in order, each MS.SHARED … MS.UNBINDABLE with MS.REC where recursive. */
  propagation: number[];
  /** Copy what the mount hides into the new tmpfs. */
  copyUp: boolean;
  /** Asked for an id-mapped mount: this one alone, or with those below it. */
  idMap?: 'mount' | 'tree';
  /** Everything else: the file system's own options. */
  data: string;
}

export interface AttributeChange {
  set: number;
  clear: number;
}

/** name → [mount(2) flag, set or clear, the attribute of mount_setattr(2) where there is one]. */
const FLAGS: Record<string, readonly [flag: number, on: boolean, attribute?: number, attributeClear?: number]> = bare({
  ro: [MS.RDONLY, true, ATTR.RDONLY],
  rw: [MS.RDONLY, false, ATTR.RDONLY],
  nosuid: [MS.NOSUID, true, ATTR.NOSUID],
  suid: [MS.NOSUID, false, ATTR.NOSUID],
  nodev: [MS.NODEV, true, ATTR.NODEV],
  dev: [MS.NODEV, false, ATTR.NODEV],
  noexec: [MS.NOEXEC, true, ATTR.NOEXEC],
  exec: [MS.NOEXEC, false, ATTR.NOEXEC],
  noatime: [MS.NOATIME, true, ATTR.NOATIME, ATTR.ATIME_FIELD],
  atime: [MS.NOATIME, false, 0, ATTR.ATIME_FIELD],
  relatime: [MS.RELATIME, true, 0, ATTR.ATIME_FIELD],
  norelatime: [MS.RELATIME, false, 0, ATTR.ATIME_FIELD],
  strictatime: [MS.STRICTATIME, true, ATTR.STRICTATIME, ATTR.ATIME_FIELD],
  nostrictatime: [MS.STRICTATIME, false, 0, ATTR.ATIME_FIELD],
  nodiratime: [MS.NODIRATIME, true, ATTR.NODIRATIME],
  diratime: [MS.NODIRATIME, false, ATTR.NODIRATIME],
  nosymfollow: [MS.NOSYMFOLLOW, true, ATTR.NOSYMFOLLOW],
  symfollow: [MS.NOSYMFOLLOW, false, ATTR.NOSYMFOLLOW],
  sync: [MS.SYNCHRONOUS, true],
  async: [MS.SYNCHRONOUS, false],
  dirsync: [MS.DIRSYNC, true],
  mand: [MS.MANDLOCK, true],
  nomand: [MS.MANDLOCK, false],
  lazytime: [MS.LAZYTIME, true],
  nolazytime: [MS.LAZYTIME, false],
  silent: [MS.SILENT, true],
  loud: [MS.SILENT, false],
});

const PROPAGATION: Record<string, number> = bare({
  shared: MS.SHARED,
  slave: MS.SLAVE,
  private: MS.PRIVATE,
  unbindable: MS.UNBINDABLE,
  rshared: MS.SHARED | MS.REC,
  rslave: MS.SLAVE | MS.REC,
  rprivate: MS.PRIVATE | MS.REC,
  runbindable: MS.UNBINDABLE | MS.REC,
});

/** What linux.rootfsPropagation may be. */
export const PROPAGATION_WORDS = Object.keys(PROPAGATION);

const SPECIAL = ['bind', 'rbind', 'remount', 'defaults', 'tmpcopyup', 'idmap', 'ridmap'] as const;

/** Every option that is known by name, sorted: what `features` reports. */
export function knownMountOptions(): string[] {
  const recursive = Object.entries(FLAGS).flatMap(([name, [, , attribute]]) => (attribute === undefined ? [] : [`r${name}`]));
  return [...new Set([...Object.keys(FLAGS), ...recursive, ...Object.keys(PROPAGATION), ...SPECIAL])].sort();
}

/** MS flags (with MS.REC) of linux.rootfsPropagation; undefined for a word that is none. */
export function propagationFlags(word: string): number | undefined {
  return PROPAGATION[word];
}

export function parseMountOptions(options: readonly string[], type = ''): ParsedMountOptions {
  const parsed: ParsedMountOptions = {
    flags: 0,
    bind: type === 'bind' || type === 'rbind',
    recursive: type === 'rbind',
    remount: false,
    attributes: { set: 0, clear: 0 },
    recursiveAttributes: { set: 0, clear: 0 },
    propagation: [],
    copyUp: false,
    data: '',
  };
  const data: string[] = [];
  for (const option of options) {
    const flag = FLAGS[option];
    const propagation = PROPAGATION[option];
    const recursiveFlag = option.startsWith('r') ? FLAGS[option.slice(1)] : undefined;
    if (flag) {
      parsed.flags = flag[1] ? parsed.flags | flag[0] : parsed.flags & ~flag[0];
      changeAttribute(parsed.attributes, flag);
    } else if (propagation !== undefined) parsed.propagation.push(propagation);
    else if (recursiveFlag && recursiveFlag[2] !== undefined) changeAttribute(parsed.recursiveAttributes, recursiveFlag);
    else if (option === 'bind') parsed.bind = true;
    else if (option === 'rbind') parsed.bind = parsed.recursive = true;
    else if (option === 'remount') parsed.remount = true;
    else if (option === 'idmap') parsed.idMap = 'mount';
    else if (option === 'ridmap') parsed.idMap = 'tree';
    else if (option === 'tmpcopyup') parsed.copyUp = true;
    else if (option !== 'defaults' && option !== '') data.push(option);
  }
  parsed.data = data.join(',');
  return parsed;
}

/** Without a prototype: `constructor` is no option. */
function bare<T extends object>(table: T): T {
  return Object.assign(Object.create(null), table);
}

/** Later options win over earlier ones. */
function changeAttribute(change: AttributeChange, [, on, attribute = 0, field]: (typeof FLAGS)[string]): void {
  if (attribute === undefined && field === undefined) return;
  const bits = field ?? attribute;
  change.set = (change.set & ~bits) | (on ? attribute : 0);
  change.clear = (change.clear & ~attribute) | (on ? (field ?? 0) : bits);
}
