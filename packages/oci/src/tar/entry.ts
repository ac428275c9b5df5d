// One member of a tar archive, as layers have it: POSIX.1-2001 (ustar with pax records) and GNU's extensions on reading, ustar with
// pax records on writing. All names are "byte strings" (one character a byte), because a layer must come back byte for byte and its
// names need not be UTF-8; `toText` and `toBytes` convert.

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface TarEntry {
  type: TarEntryType;
  /** Path as the archive has it, without a trailing slash. */
  name: string;
  /** Target of a symbolic link, or the earlier member's name of a hard link. */
  linkName: string;
  /** Permissions with setuid, setgid and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  userName: string;
  groupName: string;
  /** Bytes of the file as unpacked; 0 for everything that is no file. */
  size: number;
  /** Modification time. */
  seconds: number;
  nanoseconds: number;
  major: number;
  minor: number;
  /** Extended attributes by name (pax SCHILY.xattr.*). */
  xattrs: Map<string, Buffer> | undefined;
}

export function tarEntry(entry: Partial<TarEntry> & Pick<TarEntry, 'type' | 'name'>): TarEntry {
  return {
    linkName: '',
    mode: entry.type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    userName: '',
    groupName: '',
    size: 0,
    seconds: 0,
    nanoseconds: 0,
    major: 0,
    minor: 0,
    xattrs: undefined,
    ...entry,
  };
}

export function toText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
