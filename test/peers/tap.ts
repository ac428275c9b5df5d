// TAP, as far as bats prints it: `ok 3 name`, `not ok 4 name`, `ok 5 name # skip why`, and lines of diagnosis behind a `#`.
export interface TapTest {
  name: string;
  outcome: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped, or what was printed when it failed. */
  detail: string;
}

export function parseTap(text: string): TapTest[] {
  const tests: TapTest[] = [];
  for (const line of text.split(/\r?\n/)) {
    const found = /^(not )?ok \d+ (.*?)(?: # skip ?(.*))?$/i.exec(line);
    if (found) {
      const [, not, name = '', skip] = found;
      tests.push({ name, outcome: not ? 'failed' : skip === undefined ? 'passed' : 'skipped', detail: skip ?? '' });
      continue;
    }
    const last = tests.at(-1);
    if (last?.outcome === 'failed' && line.startsWith('#')) last.detail += `${line}\n`;
  }
  return tests;
}
