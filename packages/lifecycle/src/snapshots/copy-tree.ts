// How a snapshot that is a whole copy gets its content: into an existing directory, with everything that a file has but its inode.
export type TreeCopier = (from: string, to: string) => Promise<void>;
