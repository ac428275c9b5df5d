// Files of one tree into another for a process that serves others meanwhile: by a thread, unless they are few.
import { type CopiedMember, copyMembers, encodeMembers, type MembersJob } from './members-job.ts';
import type { UnpackPool } from './unpack-pool.ts';

/** Members that are sooner made than handed to a thread. */
const FEW = 64;

export async function copyOnThread(
  threads: UnpackPool,
  job: Omit<MembersJob, 'kind'>,
  members: AsyncGenerator<CopiedMember>,
  signal: AbortSignal,
): Promise<void> {
  const held: CopiedMember[] = [];
  while (held.length < FEW) {
    const { value, done } = await members.next();
    if (done) return copyMembers(job, held, signal);
    held.push(value);
  }
  const all = (async function* () {
    yield* held;
    yield* members;
  })();
  await threads.run<void>({ kind: 'members', ...job }, { input: encodeMembers(all), signal });
}
