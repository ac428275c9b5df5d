// POST /commit
import type { Engine } from '../engine.ts';

export interface CommitRequest {
  container: string;
  repo?: string;
  tag?: string;
  comment?: string;
  author?: string;
  /** Dockerfile instructions for the image's configuration. */
  changes?: readonly string[];
  /** Let the container stand still meanwhile. */
  pause: boolean;
}

/** The new image's id. */
export async function commitContainer(engine: Engine, request: CommitRequest): Promise<string> {
  const { Id } = await engine.json<{ Id: string }>('POST', '/commit', { query: { ...request }, json: {} });
  return Id;
}
