// System call numbers of x32 where they differ from x86-64's, without the x32 bit; from the kernel's asm/unistd_x32.h.
// A number sets the counter; each name after it takes the next one.
export const X32_OWN_SYSCALLS = `
512: rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace rt_sigpending rt_sigtimedwait rt_sigqueueinfo
sigaltstack timer_create mq_notify kexec_load waitid set_robust_list get_robust_list vmsplice move_pages preadv pwritev
rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2
pwritev2
`;
