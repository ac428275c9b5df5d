// How ready the kernel is to kill a process for want of memory (proc_pid_oom_score_adj(5)), -1000 to 1000.
import { writeFileSync } from 'node:fs';

/** Lowering it needs CAP_SYS_RESOURCE. Without a value the process keeps its parent's. */
export function setOomScore(pid: number | 'self', score: number | undefined): void {
  if (score !== undefined) writeFileSync(`/proc/${pid}/oom_score_adj`, String(score));
}
