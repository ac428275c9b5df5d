// What the program calls itself: the name that it was called by, as bin/berth-runtime hands it on. A link `runc` to it makes it say runc
// in its help, its version and its errors, as those expect who have it in runc's place.
export const NAME = process.env.BERTH_RUNTIME_NAME || 'berth-runtime';
