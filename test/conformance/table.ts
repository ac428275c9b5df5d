// Runs the conformance suite and prints its verdicts as two tables: how many tests of a feature each program passes, and where one
// differs, with the reason.  dist/node test/conformance/table.ts [FEATURE…]
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ProgramName, Verdict } from './suite.ts';

const features = process.argv.slice(2);
const files = globSync('*.test.ts', { cwd: import.meta.dirname })
  .filter((file) => features.length === 0 || features.includes(basename(file, '.test.ts')))
  .sort();
const directory = mkdtempSync('/tmp/berth-conformance-');
const report = join(directory, 'verdicts');
writeFileSync(report, '');
for (const file of files) {
  spawnSync(process.execPath, ['--test', join(import.meta.dirname, file)], {
    stdio: 'ignore',
    env: { ...process.env, CONFORMANCE_REPORT: report },
  });
}
const verdicts = readFileSync(report, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Verdict);
rmSync(directory, { recursive: true });

const programs: ProgramName[] = ['berth', 'runc', 'crun'];
console.log(`| feature | tests | ${programs.join(' | ')} |\n| --- | --- | ${programs.map(() => '--- ').join('| ')}|`);
for (const feature of new Set(verdicts.map((verdict) => verdict.feature))) {
  const ofFeature = verdicts.filter((verdict) => verdict.feature === feature);
  const cells = programs.map((program) => {
    const own = ofFeature.filter((verdict) => verdict.program === program);
    const count = (outcome: Verdict['outcome']) => own.filter((verdict) => verdict.outcome === outcome).length;
    if (own.length === 0) return 'not installed';
    return `${count('passed')}${count('differs') ? `, ${count('differs')} differ` : ''}${count('failed') ? `, ${count('failed')} fail` : ''}`;
  });
  console.log(`| ${feature} | ${new Set(ofFeature.map((verdict) => verdict.test)).size} | ${cells.join(' | ')} |`);
}
const differences = verdicts.filter(({ outcome }) => outcome !== 'passed');
if (differences.length) console.log('\n| feature | test | program | why |\n| --- | --- | --- | --- |');
for (const { feature, test, program, outcome, reason } of differences)
  console.log(`| ${feature} | ${test} | ${program} | ${outcome === 'failed' ? 'fails' : reason} |`);
process.exitCode = verdicts.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
