// System call numbers of x32 where they differ from x86-64's, without the x32 bit; from the kernel's asm/unistd_x32.h.
// A number sets the counter; each name after it takes the next one.
export const X32_OWN_SYSCALLS = `
512: rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace rt_sigpending rt_sigtimedwait rt_sigqueueinfo
sigaltstack timer_create mq_notify kexec_load waitid set_robust_list get_robust_list vmsplice move_pages preadv pwritev
rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2
pwritev2
`;

/** Calls of x86-64 that x32 does not have. */
export const X32_MISSING_SYSCALLS =
  'uselib _sysctl create_module get_kernel_syms query_module nfsservctl set_thread_area get_thread_area epoll_ctl_old epoll_wait_old vserver uretprobe';
