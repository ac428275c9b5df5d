// Each test of this folder runs twice: with docker's client and with Berth's, against the same daemon, and expects the same.
import { after, before, describe, test } from 'node:test';
import { Berthd, type BerthdOptions } from '../harness/berthd.ts';
import type { Result, RunOptions } from '../harness/programs.ts';

export type Client = (args: readonly string[], options?: RunOptions) => Promise<Result>;

export interface Bench {
  daemon: Berthd;
  /** Runs the client under test. */
  client: Client;
  /** `docker` or `berth`. */
  name: 'docker' | 'berth';
  /** A container name that no other test uses. */
  unique(): string;
}

let serial = 0;

/** Declares tests for both clients. The daemon is one, with a busybox image; every test removes what it makes. */
export function withBothClients(title: string, tests: Record<string, (bench: Bench) => Promise<void>>, options: BerthdOptions = {}): void {
  describe(title, () => {
    let daemon: Berthd;
    before(async () => {
      daemon = await Berthd.start(options);
      await daemon.importBusybox();
    });
    after(async () => {
      await daemon?.[Symbol.asyncDispose]();
    });
    for (const name of ['docker', 'berth'] as const) {
      for (const [what, body] of Object.entries(tests)) {
        test(`${name}: ${what}`, () =>
          body({
            daemon,
            name,
            client: (args, options) => (name === 'docker' ? daemon.docker(args, options) : daemon.berth(args, options)),
            unique: () => `test-${++serial}`,
          }));
      }
    }
  });
}
