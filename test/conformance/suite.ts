// The conformance suite of an OCI runtime: each *.test.ts here is one feature of the specification (or of runc's command line, where the
// specification is silent), and every test in it runs against Berth, runc and crun. What all three pass is no peculiarity of ours; where
// one differs, or lacks the feature, the test names it with the reason.
//
// `dist/node test/conformance/table.ts` prints the table of verdicts. CONFORMANCE_PROGRAMS=berth runs one program alone.
import { appendFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { ROOT } from '../harness/programs.ts';
import { Laboratory } from '../runtime/laboratory.ts';
import { pathOf } from '../seams/peers.ts';

export type ProgramName = 'berth' | 'runc' | 'crun';

/** Why a program is not expected to pass. */
export type Differences = Partial<Record<ProgramName, string>>;

/** One line of the table's input: what one program made of one test. */
export interface Verdict {
  feature: string;
  program: ProgramName;
  test: string;
  outcome: 'passed' | 'failed' | 'differs';
  reason?: string;
}

const PATHS: Record<ProgramName, string | undefined> = {
  berth: join(ROOT, 'bin/berth-runtime'),
  runc: pathOf('runc'),
  crun: pathOf('crun'),
};
const CHOSEN = process.env.CONFORMANCE_PROGRAMS?.split(',');
const REPORT = process.env.CONFORMANCE_REPORT;
const FEATURE = basename(process.argv[1] ?? '', '.test.ts');

type Body = (laboratory: Laboratory, t: TestContext) => void | Promise<void>;
const bodies: { name: string; body: Body; differs: Differences }[] = [];

/** A test of the file's feature. One that is expected to differ runs all the same: that it passes by now is said. */
export function conformance(name: string, body: Body, differs: Differences = {}): void {
  if (bodies.push({ name, body, differs }) === 1) queueMicrotask(declare);
}

/** Once the whole file has been read. */
function declare(): void {
  for (const program of Object.keys(PATHS) as ProgramName[]) {
    if (CHOSEN && !CHOSEN.includes(program)) continue;
    const path = PATHS[program];
    describe(`${FEATURE}: ${program}`, { skip: path ? false : `not installed: ${program} (apt-get install ${program})` }, () => {
      const verdicts: Verdict[] = [];
      for (const { name, body, differs } of bodies) {
        test(name, async (t) => {
          const laboratory = new Laboratory(path);
          if (program === 'crun') laboratory.wrap(WITHOUT_UNIFIED);
          t.after(() => laboratory.close());
          const record = (outcome: Verdict['outcome'], reason?: string) =>
            verdicts.push({ feature: FEATURE, program, test: name, outcome, ...(reason ? { reason } : {}) });
          try {
            await body(laboratory, t);
          } catch (error) {
            const reason = differs[program];
            record(reason ? 'differs' : 'failed', reason);
            if (!reason) throw error;
            t.diagnostic(`${program} differs: ${reason}`);
            return;
          }
          if (differs[program]) t.diagnostic(`${program} no longer differs`);
          record('passed');
        });
      }
      after(() => {
        if (REPORT) appendFileSync(REPORT, verdicts.map((verdict) => `${JSON.stringify(verdict)}\n`).join(''));
      });
    });
  }
}

/** crun takes a hybrid host for one with cgroup v2 alone, and finds no controllers there. */
const WITHOUT_UNIFIED = `exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$0" "$@"' "$RUNTIME" "$@"`;
