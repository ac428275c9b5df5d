// Propagation of mounts (config-linux.md "Rootfs Mount Propagation", config.md "Mounts"): what mountinfo says of it (proc(5)).
import assert from 'node:assert/strict';
import type { Linux } from '@berth/oci/runtime-spec';
import type { Laboratory } from '../runtime/laboratory.ts';
import { conformance, type Differences } from './suite.ts';

/** The optional fields of a mount point's line: `shared:1`, `master:2`, `unbindable`. */
function propagationOf(laboratory: Laboratory, point: string, change: Parameters<Laboratory['run']>[1]): string {
  const { stdout, stderr } = laboratory.run('cat /proc/self/mountinfo', change);
  const line = stdout.split('\n').find((each) => each.split(' ')[4] === point) ?? assert.fail(`${point} is not mounted: ${stderr}`);
  return line.split(' ').slice(6, line.split(' ').indexOf('-')).join(' ').replaceAll(/:\d+/g, '');
}

const root =
  (rootfsPropagation: NonNullable<Linux['rootfsPropagation']>): Parameters<Laboratory['run']>[1] =>
  (spec) => {
    if (spec.linux) spec.linux.rootfsPropagation = rootfsPropagation;
  };

const bound =
  (option: string): Parameters<Laboratory['run']>[1] =>
  (spec) =>
    spec.mounts?.push({ destination: '/bound', type: 'bind', source: '/etc', options: ['rbind', option] });

const ROOT: readonly [word: NonNullable<Linux['rootfsPropagation']>, expected: RegExp, differs: Differences][] = [
  ['private', /^$/, {}],
  ['shared', /^shared/, { runc: 'runc 1.1 leaves the root private after all' }],
  ['unbindable', /^unbindable$/, { runc: 'runc 1.1 makes the mounts unbindable that it is about to bind' }],
];
for (const [word, expected, differs] of ROOT) {
  conformance(`the root is ${word}`, (laboratory) => assert.match(propagationOf(laboratory, '/', root(word)), expected), differs);
}

const BOUND: readonly [word: string, expected: RegExp, differs: Differences][] = [
  ['rprivate', /^$/, {}],
  ['rshared', /^shared/, { crun: 'crun 1.8 leaves the mount private' }],
  ['runbindable', /^unbindable$/, { crun: 'crun 1.8 leaves the mount private' }],
];
for (const [word, expected, differs] of BOUND) {
  conformance(`a bind mount is ${word}`, (laboratory) => assert.match(propagationOf(laboratory, '/bound', bound(word)), expected), differs);
}

conformance(
  'a word that is none is refused',
  (laboratory) => {
    assert.notEqual(laboratory.run('true', root('luck' as 'shared')).code, 0);
  },
  { crun: 'crun takes it for an option of the file system' },
);
