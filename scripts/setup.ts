/**
 * Installs what a purpose needs and this machine lacks: `node scripts/setup.ts [quickstart | lab | test | bench]`.
 * Without a purpose the npm packages are enough.
 */
import { programs, rpmPrograms } from "./lab/programs.ts"
import { ensurePulumi, NoPulumiError } from "./pulumi-cli.ts"
import { ensurePackages, type Need, SetupError } from "./setup/debian.ts"

const lab: readonly Need[] = Object.entries({ ...programs, ...rpmPrograms }).map(([gives, name]) => ({
  package: name,
  why: "the lab's machines are built and run with it",
  gives,
}))

const hello: readonly Need[] = [
  { package: "gcc", why: "the unikernel hello is written in C", gives: "gcc" },
  {
    package: "libc6-dev",
    why: "hello's network stack is tested as a program of Linux",
    gives: "/usr/include/stdio.h",
  },
  { package: "make", why: "the unikernel hello is built by make", gives: "make" },
  {
    package: "libxen-dev",
    why: "the unikernel hello uses Xen's public headers",
    gives: "/usr/include/xen/xen.h",
  },
]

const tests: readonly Need[] = [
  { package: "openssh-server", why: "the tests speak to a real sshd on loopback", gives: "sshd" },
  { package: "openssh-client", why: "the tests compare with ssh, scp and sftp", gives: "sftp" },
  { package: "sudo", why: "the tests log in as a user that is not root", gives: "sudo" },
  { package: "dash", why: "the tests compare the quoting of shells", gives: "dash" },
  { package: "bash", why: "the tests compare the quoting of shells", gives: "bash" },
  { package: "busybox", why: "the tests compare the quoting of shells", gives: "busybox" },
  { package: "iproute2", why: "the tests build networks of namespaces", gives: "ip" },
  { package: "iputils-ping", why: "simulated hosts ping their domains", gives: "ping" },
  // By its path: an npm package puts another program of that name ahead of it.
  { package: "nftables", why: "the tests swap domains on simulated hosts", gives: "/usr/sbin/nft" },
  {
    package: "libxenmisc4.17",
    why: "the tests compare with Xen's own parser",
    gives: "/usr/lib/x86_64-linux-gnu/libxlutil.so.4.17",
  },
  {
    package: "xen-utils-common",
    why: "the tests check the examples that Debian ships",
    gives: "/etc/xen/xlexample.pvlinux",
  },
  {
    package: "xen-utils-4.17",
    why: "the tests compare with what the real xl reads",
    gives: "/usr/lib/xen-4.17/bin/xl",
  },
  {
    package: "xen-doc",
    why: "the tests hold xlcfg's table against Xen's manual",
    gives: "/usr/share/doc/xen/html/man/xl.cfg.5.html",
  },
  {
    package: "systemd-container",
    why: "the tests boot hosts with a real systemd in namespaces",
    gives: "systemd-nspawn",
  },
  { package: "gnupg", why: "the tests sign package repositories", gives: "gpg" },
  { package: "procps", why: "the tests look for what is left running", gives: "ps" },
  { package: "openssl", why: "the tests serve a kernel over https", gives: "openssl" },
  { package: "dosfstools", why: "the tests have FAT images checked by fsck.fat", gives: "fsck.fat" },
  { package: "mtools", why: "the tests read FAT images back with mtools", gives: "mcopy" },
  { package: "bzip2", why: "the tests unpack what bzip2 packed", gives: "bzip2" },
  { package: "xz-utils", why: "the tests unpack what xz packed", gives: "xz" },
  { package: "zstd", why: "the tests unpack what zstd packed", gives: "zstd" },
]

const purposes: {
  readonly [purpose: string]: { readonly packages: readonly Need[]; readonly pulumi: boolean }
} = {
  npm: { packages: [], pulumi: false },
  lab: { packages: lab, pulumi: false },
  quickstart: { packages: [...lab, ...hello], pulumi: true },
  test: { packages: [...lab, ...hello, ...tests], pulumi: true },
  bench: { packages: [...lab, ...hello, ...tests], pulumi: true },
}

const purpose = purposes[process.argv[2] ?? "npm"]
if (purpose === undefined) {
  console.error(`${process.argv[2]} is no purpose; choose one of ${Object.keys(purposes).join(", ")}`)
  process.exit(2)
}
try {
  await ensurePackages(purpose.packages)
  if (purpose.pulumi) await ensurePulumi()
} catch (error) {
  if (!(error instanceof SetupError || error instanceof NoPulumiError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
