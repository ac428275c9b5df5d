// `--chown`: names and numbers of users and groups, read from the state's own /etc/passwd and /etc/group.
//
// Facts: passwd(5), group(5); wordings are dockerd's.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Owner } from '@berth/lifecycle/diff/tree-writer';
import type { FileTree } from '../context/file-tree.ts';

const MAX_ID = 0xffffffff;

/** `user`, `user:group`, with names or numbers. A user's number stands for the group's when no group is given, as in Docker. */
export function ownerOf(text: string, tree: FileTree): Owner {
  const [user = '', group] = text.split(':');
  const uid = number(user) ?? find(tree, 'etc/passwd', user, 2);
  if (uid === undefined) throw invalid(`can't find uid for user ${user}: no such user: ${user}`);
  if (group === undefined || group === '') return { uid, gid: number(user) ?? find(tree, 'etc/passwd', user, 3) ?? uid };
  const gid = number(group) ?? find(tree, 'etc/group', group, 2);
  if (gid === undefined) throw invalid(`can't find gid for group ${group}: no such group: ${group}`);
  return { uid, gid };
}

export function modeOf(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw invalid(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  return Number.parseInt(text, 8);
}

function number(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const value = Number(text);
  if (value > MAX_ID) throw invalid(`uids and gids must be in range 0-${MAX_ID}`);
  return value;
}

function find(tree: FileTree, file: string, name: string, field: number): number | undefined {
  const line = tree
    .readText(file)
    ?.split('\n')
    .find((each) => each.startsWith(`${name}:`));
  const value = Number(line?.split(':')[field]);
  return line === undefined || !Number.isInteger(value) ? undefined : value;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'builder' });
}
