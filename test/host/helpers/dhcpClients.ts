import type { Connection } from "../../../provider/ssh/index.ts"

/** How many of ifupdown's DHCP clients run once the guard's units have ended: others' are parts of their daemons. */
export async function dhcpClients(connection: Connection): Promise<number> {
  const { stdout } = await connection.run([
    "sh",
    "-c",
    `until [ -z "$(systemctl list-units --plain --no-legend --state=active,activating,deactivating \\
      'run-*.service' 'pulumi-xen-guard-*.service')" ]
    do sleep 0.1; done; pgrep -c -x dhclient || :`,
  ])
  return Number(stdout)
}
