import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canRemap, idMappingOf } from './id-mapping.ts';

const labels = (uids: string, gids: string) => ({ 'containerd.io/snapshot/uidmapping': uids, 'containerd.io/snapshot/gidmapping': gids });

test('kernels that can', () => {
  assert.deepEqual(['6.14.9', '6.15.0-rc1', '6.18.44-x', '7.0', '5.19'].map(canRemap), [false, true, true, true, false]);
});

test('labels that are mappings, and labels that are none', { skip: canRemap() ? false : 'this kernel cannot remap' }, () => {
  assert.equal(idMappingOf({ other: 'x' }), undefined);
  assert.deepEqual(idMappingOf(labels('0:1000:65536', '5:9:1,0:2000:4')), {
    options: ['uidmap=0:1000:65536', 'gidmap=5:9:1,0:2000:4'],
    root: { uid: 1000, gid: 2000 },
  });
  for (const [uids, gids] of [
    ['0:1000:65536', ''],
    ['0:1000', '0:1000:1'],
    ['0:1000:1,lowerdir=/etc', '0:1000:1'],
    ['1:1000:1', '0:1000:1'],
    ['a:b:c', '0:1:2'],
  ] as const)
    assert.throws(() => idMappingOf(labels(uids, gids)), { kind: 'InvalidArgument' }, uids);
});
