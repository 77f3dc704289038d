import { type Sshd, type SshdOptions, startSshd } from "./sshd.ts"

/** A real sshd that is a host of its own as far as the project's store goes. */
export interface IsolatedHost extends Sshd {
  /** The host's /var/lib/pulumi-xen, as a path of this machine. */
  readonly store: string
  /** The same as the `connection` input of a resource. */
  readonly connection: { host: string; port: number; user: string; privateKeyPath: string; hostKey: string }
}

export interface IsolatedHostOptions extends SshdOptions {
  /** Size of the host's /var/lib, as mount(8) has it for tmpfs. Default 256m. */
  readonly size?: string
}

/**
 * Starts an sshd in a mount namespace with an empty /var/lib in memory, so that tests neither see nor leave anything on
 * this machine, and several such hosts stand side by side. Needs root.
 */
export async function startIsolatedHost({
  size = "256m",
  ...options
}: IsolatedHostOptions = {}): Promise<IsolatedHost> {
  const script = 'mount -t tmpfs -o "size=$0,mode=755" tmpfs /var/lib && exec "$@"'
  const sshd = await startSshd({ ...options, within: ["unshare", "--mount", "sh", "-c", script, size] })
  const { host, port, user, keyPath, hostKey } = sshd
  return Object.assign(sshd, {
    store: `/proc/${sshd.pid}/root/var/lib/pulumi-xen`,
    connection: { host, port, user, privateKeyPath: keyPath, hostKey },
  })
}
