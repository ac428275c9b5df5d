// The flag that all checkpoint commands have.
export const CHECKPOINT_DIR = { type: 'string', description: 'Use a custom checkpoint storage directory' } as const;
