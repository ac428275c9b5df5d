import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeExt4Image } from './ext4-image.ts';

const e2fsck = spawnSync('e2fsck', ['-V']).error === undefined;

test('e2fsck finds nothing wrong, whatever the size', { skip: e2fsck ? false : 'no e2fsck to judge (apt-get install e2fsprogs)' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-ext4-'));
  try {
    const group = 128 << 20;
    for (const size of [1, 10 << 20, group - 1, group, group + 4096, group + (5 << 20), 3 * group, 2 ** 30, 20 * 2 ** 30]) {
      const image = join(directory, `${size}`);
      writeExt4Image(image, size);
      const checked = spawnSync('e2fsck', ['-fn', image], { encoding: 'utf8' });
      assert.equal(checked.status, 0, `${size}: ${checked.stdout}`);
      assert.ok(statSync(image).size >= size);
      assert.ok(statSync(image).blocks * 512 < 8 << 20, 'the file is not sparse');
      rmSync(image);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
