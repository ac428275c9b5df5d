// System call numbers from 451 on: all architectures share one numbering. From the kernel's scripts/syscall.tbl.
// A number sets the counter; each name after it takes the next one.
export const SHARED_SYSCALLS = `
451: cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr
lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
`;
