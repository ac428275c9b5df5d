// /containers/{id}/checkpoints
import type { Shape } from './shape.ts';

export interface CheckpointCreateRequest {
  CheckpointID?: string;
  /** Where to put it instead of the container's own directory: absolute, on the daemon's machine. */
  CheckpointDir?: string;
  /** The container ends with it. */
  Exit?: boolean;
}

export interface CheckpointSummary {
  Name: string;
}

export const CHECKPOINT_CREATE: Shape = { fields: { CheckpointID: 'string', CheckpointDir: 'string', Exit: 'boolean' } };
