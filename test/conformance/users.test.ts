// User, groups and capabilities (config.md "User", "capabilities").
import assert from 'node:assert/strict';
import { conformance } from './suite.ts';

conformance('user, groups and capabilities are dropped to what is asked for', (laboratory) => {
  const script = 'id -u; id -g; id -G; grep -E "Cap(Prm|Eff|Bnd|Amb)" /proc/self/status; echo $HOME';
  const result = laboratory.run(script, (spec) => {
    if (!spec.process) return;
    spec.process.user = { uid: 1000, gid: 1001, additionalGids: [7, 8] };
    spec.process.capabilities = {
      bounding: ['CAP_KILL', 'CAP_CHOWN'],
      permitted: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      ambient: ['CAP_KILL'],
    };
  });
  const [uid, gid, gids, prm, eff, bnd, amb, home] = result.stdout.trim().split('\n');
  assert.deepEqual([uid, gid, gids], ['1000', '1001', '1001 7 8']);
  assert.equal(BigInt(`0x${prm?.split('\t')[1]}`), 0x20n);
  assert.equal(BigInt(`0x${eff?.split('\t')[1]}`), 0x20n);
  assert.equal(BigInt(`0x${bnd?.split('\t')[1]}`), 0x21n);
  assert.equal(BigInt(`0x${amb?.split('\t')[1]}`), 0x20n);
  assert.equal(home, '/tmp');
});
