// `--user`, read against the image's own /etc/passwd and /etc/group, by the rules of moby's user package: `name`, `uid`,
// `name:group`, `uid:gid`; numbers need no entry, names do. Files that are missing count as empty.
import { EngineError } from '@berth/errdefs/engine-error';

export interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

export interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

export interface Accounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
}

export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

const MAX_ID = 2 ** 31 - 1;

export function parseAccounts(passwd: string, group: string): Accounts {
  const rows = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('#'))
      .map((line) => line.trim().split(':'));
  return {
    users: rows(passwd).map(([name = '', , uid, gid, , home = '']) => ({ name, uid: Number(uid), gid: Number(gid), home })),
    groups: rows(group).map(([name = '', , gid, members = '']) => ({
      name,
      gid: Number(gid),
      members: members.split(',').filter(Boolean),
    })),
  };
}

/** `spec` is Config.User; '' is root. Throws InvalidArgument with moby's wording. */
export function resolveUser(spec: string, extraGroups: readonly string[], accounts: Accounts): ResolvedUser {
  const [userPart = '', groupPart = ''] = spec.split(':', 2);
  const userNumber = numberOf(userPart);
  const user = accounts.users.find((entry) => (userPart === '' ? entry.uid === 0 : entry.name === userPart || entry.uid === userNumber));
  if (!user && userPart !== '' && userNumber === undefined) {
    throw new EngineError('InvalidArgument', `unable to find user ${userPart}: no matching entries in passwd file`, { layer: 'daemon' });
  }
  const uid = user?.uid ?? userNumber ?? 0;
  checkRange(uid);
  const gid = groupPart === '' ? (user?.gid ?? 0) : groupOf(groupPart, accounts);
  const memberships =
    groupPart === '' && user ? accounts.groups.filter((group) => group.members.includes(user.name)).map((group) => group.gid) : [];
  const extra = extraGroups.map((group) => groupOf(group, accounts));
  return { uid, gid, additionalGids: [...new Set([gid, ...memberships, ...extra])].filter(Number.isInteger), home: user?.home || '/' };
}

function groupOf(part: string, accounts: Accounts): number {
  const number = numberOf(part);
  const group = accounts.groups.find((entry) => entry.name === part || entry.gid === number);
  const gid = group?.gid ?? number;
  if (gid === undefined) {
    throw new EngineError('InvalidArgument', `unable to find group ${part}: no matching entries in group file`, { layer: 'daemon' });
  }
  checkRange(gid);
  return gid;
}

function numberOf(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function checkRange(id: number): void {
  if (!(id >= 0 && id <= MAX_ID)) {
    throw new EngineError('InvalidArgument', `uids and gids must be in range 0-${MAX_ID}`, { layer: 'daemon' });
  }
}
